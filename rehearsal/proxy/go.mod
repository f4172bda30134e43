// The Caddy of plan/settings.py, for the tests that Debian's older one would fail.
module paintshare/rehearsal/proxy

go 1.26.0

require github.com/caddyserver/caddy/v2 v2.11.9
