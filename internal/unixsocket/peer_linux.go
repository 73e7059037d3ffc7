package unixsocket

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Peer is the process at the other end of a connection.
type Peer struct {
	UID int
	PID int // 0 where the system does not report
}

// PeerOf asks the kernel who made a connection. Source: unix(7), SO_PEERCRED.
func PeerOf(connection *net.UnixConn) (Peer, error) {
	raw, err := connection.SyscallConn()
	if err != nil {
		return Peer{}, fmt.Errorf("look at connection: %w", err)
	}
	var peer *unix.Ucred
	var optionErr error
	if err := raw.Control(func(fd uintptr) {
		peer, optionErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return Peer{}, fmt.Errorf("look at connection: %w", err)
	}
	if optionErr != nil {
		return Peer{}, fmt.Errorf("ask who connected: %w", optionErr)
	}
	return Peer{UID: int(peer.Uid), PID: int(peer.Pid)}, nil
}
