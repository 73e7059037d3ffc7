package native

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Pages is memory for floats outside Go's heap. What is released goes back to the system at once, where the collector would
// keep it beside what the next request allocates. The zero value holds nothing.
type Pages struct{ mapped []byte }

// Grown returns n >= 1 floats. Those of an earlier call are kept if there are enough of them; otherwise they are released
// first, and the new ones are 0.
func (p *Pages) Grown(n int) ([]float32, error) {
	if p.Len() < n {
		if err := p.Release(); err != nil {
			return nil, err
		}
		const step = 64 << 10
		size := (4*n + step - 1) / step * step
		mapped, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			return nil, fmt.Errorf("take %d bytes of memory: %w", size, err)
		}
		p.mapped = mapped
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(p.mapped))), n), nil
}

// Len returns how many floats are held.
func (p *Pages) Len() int { return len(p.mapped) / 4 }

// Release gives the memory back. No slice and no tensor over it may be used afterwards.
func (p *Pages) Release() error {
	if p.mapped == nil {
		return nil
	}
	err := unix.Munmap(p.mapped)
	p.mapped = nil
	if err != nil {
		return fmt.Errorf("return memory: %w", err)
	}
	return nil
}
