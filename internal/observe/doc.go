// Package observe is how Scout is seen from outside: structured logs, Prometheus metrics and
// OpenTelemetry spans. A component receives a Scope and derives from it what it needs; nothing in
// here is global, and everything is free of cost where it is switched off.
package observe
