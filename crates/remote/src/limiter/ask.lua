-- KEYS: the limits. ARGV: this gateway, what is known of each limit and in how many milliseconds that expires, and for each
-- opening how many limits it asks for and their places in KEYS. Answers each opening with the place of what refuses it
-- among those it asks for (0: nothing does) and the microseconds until that has room (-1: nobody knows).
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local gateway = ARGV[1]
local at = 2

local function next_word()
  at = at + 1
  return ARGV[at - 1]
end

local function failed(answer, key)
  return type(answer) == 'table' and answer.err and redis.error_reply(answer.err .. ', key ' .. key)
end

local limits = {}
for i, key in ipairs(KEYS) do
  local kind, a, b = next_word(), tonumber(next_word()), tonumber(next_word())
  local limit = { kind = kind, expiry = tonumber(next_word()) }
  if kind == 'ceiling' then
    limit.own, limit.max, limit.others = a, b, 0
    local counts = redis.pcall('HGETALL', key)
    local why = failed(counts, key)
    if why then return why end
    for field = 1, #counts, 2 do
      local count, expires = string.match(counts[field + 1], '^(%d+) (%d+)$')
      if counts[field] ~= gateway then
        if count and tonumber(expires) > now then
          limit.others = limit.others + tonumber(count)
        else
          redis.call('HDEL', key, counts[field])
        end
      end
    end
  elseif kind == 'count' then
    limit.own = a
  else
    limit.interval, limit.step = b, b / a
    local full_at = redis.pcall('GET', key)
    local why = failed(full_at, key)
    if why then return why end
    limit.full_at = math.max(tonumber(full_at or 0) or 0, now)
  end
  limits[i] = limit
end

local function refusal(limit)
  if limit.kind == 'ceiling' then
    if limit.own + limit.others >= limit.max then return -1 end
  else
    local wait = limit.full_at + limit.step - limit.interval - now
    if wait > 0.5 then return math.ceil(wait) end
  end
end

local answers = {}
while at <= #ARGV do
  local asked, which, wait = {}, 0, 0
  for i = 1, tonumber(next_word()) do
    asked[i] = limits[tonumber(next_word())]
    local refused = which == 0 and refusal(asked[i])
    if refused then which, wait = i, refused end
  end
  if which == 0 then
    for _, limit in ipairs(asked) do
      if limit.kind == 'ceiling' then
        limit.own = limit.own + 1
      else
        limit.full_at, limit.is_taken = limit.full_at + limit.step, true
      end
    end
  end
  answers[#answers + 1] = which
  answers[#answers + 1] = wait
end

for i, key in ipairs(KEYS) do
  local limit = limits[i]
  local written
  if limit.is_taken then
    local rest = math.ceil((limit.full_at - now) / 1000) + 1
    written = redis.pcall('SET', key, string.format('%.0f', limit.full_at), 'PX', rest)
  elseif limit.own and limit.own > 0 then
    written = redis.pcall('HSET', key, gateway, string.format('%d %.0f', limit.own, now + limit.expiry * 1000))
    redis.pcall('PEXPIRE', key, limit.expiry)
  elseif limit.own then
    written = redis.pcall('HDEL', key, gateway)
  end
  local why = failed(written, key)
  if why then return why end
end
return answers
