//go:build !amd64

package level

func (s *sum) add(samples []float32) { s.addPortable(samples) }
