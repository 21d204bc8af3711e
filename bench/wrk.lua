-- Ends wrk's report with one line of JSON for bench/run; times in us.
function done(summary, latency, requests)
	local e = summary.errors
	io.write(string.format('{"requests": %d, "bytes": %d, ' ..
	    '"duration": %d, ' ..
	    '"p50": %d, "p99": %d, ' ..
	    '"connect": %d, "read": %d, "write": %d, "status": %d, ' ..
	    '"timeout": %d}\n', summary.requests, summary.bytes,
	    summary.duration, latency:percentile(50),
	    latency:percentile(99),
	    e.connect, e.read, e.write, e.status, e.timeout))
end
