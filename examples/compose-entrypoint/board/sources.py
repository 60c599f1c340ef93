"""The monitors that report to the board. There are no switches: whoever is not listed is not heard."""

SOURCES = ("grafana", "zabbix", "uptime-kuma", "healthchecks", "checkly")
