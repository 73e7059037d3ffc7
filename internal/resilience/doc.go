// Package resilience repeats operations that may succeed later, and stops calling what keeps failing. It wraps
// cenkalti/backoff (retry) and sony/gobreaker (circuit breaker) once, with one classifier, so that no other package
// writes a loop over attempts.
//
// The classifier is scout.ClassOf: transient failures are repeated and count against the breaker, permanent ones
// neither, cancelled ones are neutral. Requirements S5 and S6; docs/adr/0004.
package resilience
