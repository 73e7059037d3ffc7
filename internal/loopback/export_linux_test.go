package loopback

import "net/netip"

// Ask and List are the two ways in which User finds out.
func Ask(client, server netip.AddrPort) (int, error)  { return ask(client, server) }
func List(client, server netip.AddrPort) (int, error) { return list(client, server) }

// Read reads an answer of the kernel.
func Read(answer []byte, client, server netip.AddrPort) (int, error) {
	return read(answer, client, server)
}
