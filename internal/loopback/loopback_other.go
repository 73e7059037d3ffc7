//go:build !linux

package loopback

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
)

// User returns this user: nobody is asked here.
func User(_, _ netip.AddrPort) (int, error) { return os.Getuid(), nil }

// Port is a port of 127.0.0.1 that nobody had when it was chosen.
type Port struct{ netip.AddrPort }

// Reserve chooses a port. It cannot be kept for others here.
func Reserve() (*Port, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0") //nolint:noctx // it waits for nothing
	if err != nil {
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	at, err := netip.ParseAddrPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	return &Port{at}, nil
}

// Release does nothing.
func (*Port) Release() error { return nil }
