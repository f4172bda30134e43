module paintshare.invalid/alertmanager

go 1.18

require github.com/prometheus/alertmanager v0.25.0
