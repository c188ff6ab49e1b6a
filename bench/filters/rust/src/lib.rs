//! For the benchmark against Envoy: reads three headers of the request, sets one, and one of the answer.
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_http_context(|_, _| Box::new(ThreeHeaders));
}}

struct ThreeHeaders;

impl Context for ThreeHeaders {}

impl HttpContext for ThreeHeaders {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        let read = |name| self.get_http_request_header(name).map_or(0, |value| value.len());
        if read(":authority") + read("user-agent") + read("x-request-id") > 0 {
            self.set_http_request_header("x-seen", Some("yes"));
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        self.set_http_response_header("x-bench", Some("yes"));
        Action::Continue
    }
}
