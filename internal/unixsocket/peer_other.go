//go:build unix && !linux

package unixsocket

import (
	"net"
	"os"
)

// Peer is the process at the other end of a connection.
type Peer struct {
	UID int
	PID int // 0 where the system does not report
}

// PeerOf returns this user: the mode of the socket and of its folder lets nobody else connect.
func PeerOf(*net.UnixConn) (Peer, error) { return Peer{UID: os.Getuid()}, nil }
