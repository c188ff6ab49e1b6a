// For the benchmark against Envoy: reads three headers of the request, sets one, and one of the answer.
package main

import (
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

func main() {}

func init() {
	proxywasm.SetHttpContext(func(uint32) types.HttpContext { return &threeHeaders{} })
}

type threeHeaders struct {
	types.DefaultHttpContext
}

func (*threeHeaders) OnHttpRequestHeaders(int, bool) types.Action {
	length := 0
	for _, name := range [...]string{":authority", "user-agent", "x-request-id"} {
		// What is not there has no length.
		value, _ := proxywasm.GetHttpRequestHeader(name)
		length += len(value)
	}
	if length > 0 {
		if err := proxywasm.ReplaceHttpRequestHeader("x-seen", "yes"); err != nil {
			proxywasm.LogError(err.Error())
		}
	}
	return types.ActionContinue
}

func (*threeHeaders) OnHttpResponseHeaders(int, bool) types.Action {
	if err := proxywasm.ReplaceHttpResponseHeader("x-bench", "yes"); err != nil {
		proxywasm.LogError(err.Error())
	}
	return types.ActionContinue
}
