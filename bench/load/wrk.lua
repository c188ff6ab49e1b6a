-- What wrk sends (arguments: method, bytes of body) and what it reports: one line of JSON.

function init(args)
  wrk.method = args[1]
  local bytes = tonumber(args[2])
  if bytes > 0 then
    wrk.headers["Content-Type"] = "application/octet-stream"
    wrk.body = string.rep("x", bytes)
  end
end

function done(summary, latency, requests)
  local failed = summary.errors
  io.write(string.format(
    '\nfigures {"requests":%d,"seconds":%.6f,"errors":%d}\n',
    summary.requests, summary.duration / 1e6,
    failed.connect + failed.read + failed.write + failed.timeout + failed.status))
end
