-- Asks the addresses of a file at random, and counts what comes back by status.
local threads = {}

function setup(thread)
   thread:set("number", #threads + 1)
   table.insert(threads, thread)
end

function init(args)
   targets, statuses = {}, {}
   for line in io.lines(args[1]) do table.insert(targets, line) end
   math.randomseed(number)
end

function request()
   return wrk.format("GET", targets[math.random(#targets)])
end

function response(status)
   statuses[status] = (statuses[status] or 0) + 1
   -- Tables of a thread cannot be read from outside, its texts can.
   local text = {}
   for code, count in pairs(statuses) do table.insert(text, code .. "=" .. count) end
   told = table.concat(text, " ")
end

function done(summary, latency)
   for _, thread in ipairs(threads) do io.write("statuses " .. (thread:get("told") or "") .. "\n") end
   local errors = summary.errors
   io.write("errors " .. (errors.connect + errors.read + errors.write + errors.timeout) .. "\n")
   io.write("p50_us " .. latency:percentile(50) .. "\np99_us " .. latency:percentile(99) .. "\n")
end
