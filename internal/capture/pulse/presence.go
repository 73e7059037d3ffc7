package pulse

import (
	"errors"
	"io/fs"
	"net"
	"syscall"

	"github.com/scout-speech/scout"
)

// Present says whether there is a sound server that could be asked, and asks none: a server that begins with the first connection is not
// started, and one that sleeps is not woken. The error has scout.CodeSoundServer or scout.CodeDevicePermission. A server at an address of the
// network is taken for present, because only a connection could tell; so is one that hangs.
func Present(server string) error {
	network, address := address(server)
	if network != "unix" {
		return nil
	}
	err := bound(address)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return scout.Errorf(scout.CodeDevicePermission, "no permission to use the sound server at %s: %w", address, err)
	}
	return scout.Errorf(scout.CodeSoundServer, "no sound server at %s: %w", address, err)
}

// bound returns nil if a program has the stream socket at that path. The kernel refuses a connection of another type with one error where
// there is such a socket and another where there is none; no program hears of it. Source: connect(2), EPROTOTYPE.
func bound(path string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err == nil {
		_ = conn.Close() // nothing was sent
		return nil
	}
	var number syscall.Errno
	switch {
	case errors.Is(err, syscall.EPROTOTYPE):
		return nil
	case errors.As(err, &number):
		return number
	}
	return err
}
