// Package observe makes Scout visible from outside: structured logs, Prometheus metrics and OpenTelemetry spans. A
// component receives a Scope and derives what it needs from it. Nothing here is global, and everything that is switched
// off costs nothing.
package observe
