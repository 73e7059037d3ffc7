//go:build !linux || !cgo

// Package preflight checks limits on Linux only.
package preflight
