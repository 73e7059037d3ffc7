//go:build !linux

package footprint

import "errors"

// Memory returns an error on systems that do not tell the proportional set size of a process.
func Memory(int) (uint64, error) { return 0, errors.ErrUnsupported }
