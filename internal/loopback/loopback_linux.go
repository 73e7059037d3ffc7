package loopback

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// User returns the user who has the client's end of a TCP connection within this machine. It asks the kernel for that one socket and,
// where a sandbox does not allow that, reads the list of all. Source: sock_diag(7), proc_net_tcp.
//
//	client  the address of the client, server that of the server, as both ends see them
//
// ErrGone says that no process has that end any more: an end that was closed would count as root's.
func User(client, server netip.AddrPort) (int, error) {
	uid, err := ask(client, server)
	if err == nil || errors.Is(err, ErrGone) {
		return uid, err
	}
	return list(client, server)
}

// States of a socket whose process may still read an answer. Source: include/net/tcp_states.h.
const (
	established = 1
	finWait1    = 4
	finWait2    = 5
)

// owned reports whether a socket is one end of a connection that was made, and some process has it.
func owned(state uint8, inode uint64) bool {
	return (state == established || state == finWait1 || state == finWait2) && inode != 0
}

// Layout of the messages. Source: include/uapi/linux/netlink.h, sock_diag.h, inet_diag.h.
const (
	headerBytes  = 16 // struct nlmsghdr
	requestBytes = 56 // struct inet_diag_req_v2
	answerBytes  = 72 // struct inet_diag_msg
	byFamily     = 20 // SOCK_DIAG_BY_FAMILY
	stateAt      = headerBytes + 1
	portsAt      = headerBytes + 4 // of struct inet_diag_sockid in the answer
	uidAt        = headerBytes + 64
	inodeAt      = headerBytes + 68
)

// ask asks the kernel for one socket: that whose own address is the client's.
func ask(client, server netip.AddrPort) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_INET_DIAG)
	if err != nil {
		return 0, fmt.Errorf("open a socket to the kernel: %w", err)
	}
	defer func() { _ = unix.Close(fd) }() // it was only asked
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		return 0, fmt.Errorf("ask the kernel: %w", err)
	}
	if err := unix.Sendto(fd, question(client, server), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, fmt.Errorf("ask the kernel: %w", err)
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return 0, fmt.Errorf("hear the kernel: %w", err)
	}
	return read(answer[:n], client, server)
}

func question(client, server netip.AddrPort) []byte {
	b := make([]byte, 0, headerBytes+requestBytes)
	b = binary.NativeEndian.AppendUint32(b, headerBytes+requestBytes)
	b = binary.NativeEndian.AppendUint16(b, byFamily)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST)
	b = binary.NativeEndian.AppendUint32(b, 1) // number of the question
	b = binary.NativeEndian.AppendUint32(b, 0) // to the kernel
	family := byte(unix.AF_INET)
	if client.Addr().Is6() {
		family = unix.AF_INET6
	}
	b = append(b, family, unix.IPPROTO_TCP, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, ^uint32(0)) // in any state
	b = binary.BigEndian.AppendUint16(b, client.Port())
	b = binary.BigEndian.AppendUint16(b, server.Port())
	for _, a := range []netip.Addr{client.Addr(), server.Addr()} {
		var place [16]byte
		copy(place[:], a.AsSlice())
		b = append(b, place[:]...)
	}
	b = binary.NativeEndian.AppendUint32(b, 0)         // on any interface
	return append(b, bytes.Repeat([]byte{0xff}, 8)...) // INET_DIAG_NOCOOKIE
}

// read reads the answer. A socket that only listens at the client's port is none of its connection.
func read(answer []byte, client, server netip.AddrPort) (int, error) {
	if len(answer) < headerBytes+4 {
		return 0, errors.New("the kernel's answer is too short")
	}
	switch binary.NativeEndian.Uint16(answer[4:]) {
	case unix.NLMSG_ERROR:
		no := unix.Errno(-int32(binary.NativeEndian.Uint32(answer[headerBytes:]))) //nolint:gosec // a number of errno
		return 0, fmt.Errorf("ask the kernel: %w", no)
	case byFamily:
	default:
		return 0, errors.New("the kernel's answer is of another kind")
	}
	if len(answer) < headerBytes+answerBytes {
		return 0, errors.New("the kernel's answer is too short")
	}
	ports := binary.BigEndian.Uint16(answer[portsAt:]) == client.Port() && binary.BigEndian.Uint16(answer[portsAt+2:]) == server.Port()
	if !ports || !owned(answer[stateAt], uint64(binary.NativeEndian.Uint32(answer[inodeAt:]))) {
		return 0, ErrGone
	}
	return int(binary.NativeEndian.Uint32(answer[uidAt:])), nil
}

// tables list all sockets of TCP.
func tables() []string { return []string{"/proc/net/tcp", "/proc/net/tcp6"} }

// list looks for the socket in the list of all.
func list(client, server netip.AddrPort) (int, error) {
	for i, table := range tables() {
		content, err := os.ReadFile(table)
		if i == 0 && err != nil { // where there is no IPv6, there is no second one
			return 0, err
		}
		wanted := " " + written(client, i > 0) + " " + written(server, i > 0) + " "
		for line := range strings.Lines(string(content)) {
			if !strings.Contains(line, wanted) {
				continue
			}
			f := strings.Fields(line)
			const uidField, inodeField = 7, 9
			if len(f) <= inodeField {
				continue
			}
			state, stateErr := strconv.ParseUint(f[3], 16, 8)
			uid, uidErr := strconv.Atoi(f[uidField])
			inode, inodeErr := strconv.ParseUint(f[inodeField], 10, 64)
			if errors.Join(stateErr, uidErr, inodeErr) == nil && owned(uint8(state), inode) {
				return uid, nil
			}
		}
	}
	return 0, ErrGone
}

// written is an address as the tables have it: in words of the processor's order. A socket of IPv6 may have an address of IPv4.
func written(a netip.AddrPort, six bool) string {
	place := a.Addr().AsSlice()
	if six {
		as16 := a.Addr().As16()
		place = as16[:]
	}
	var b strings.Builder
	for ; len(place) >= 4; place = place[4:] {
		_, _ = fmt.Fprintf(&b, "%08X", binary.NativeEndian.Uint32(place)) // a builder takes everything
	}
	_, _ = fmt.Fprintf(&b, ":%04X", a.Port()) // as above
	return b.String()
}
