package loopback

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Port is a port of 127.0.0.1 that this process keeps. Connections to it are refused until somebody listens there.
type Port struct {
	netip.AddrPort
	socket int
}

// Reserve keeps a port that nobody has. The system gives it to no other program that asks for any port, and a program that knows it can
// listen there. For that, a socket is bound with SO_REUSEADDR, as Go does for its listeners, and does not listen: socket(7). The caller
// releases it.
func Reserve() (*Port, error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	p := &Port{socket: socket}
	if err := p.bind(); err != nil {
		_ = p.Release() // it was never used
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	return p, nil
}

func (p *Port) bind() error {
	if err := unix.SetsockoptInt(p.socket, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := unix.Bind(p.socket, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	address, err := unix.Getsockname(p.socket)
	if at, is := address.(*unix.SockaddrInet4); is { // it is
		p.AddrPort = netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port)) //nolint:gosec // a port has 16 bits
	}
	return err
}

// Release gives the port back, if there is one. Who listens there goes on.
func (p *Port) Release() error {
	if p == nil {
		return nil
	}
	return unix.Close(p.socket)
}
