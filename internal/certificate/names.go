package certificate

import (
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// nameForm is that of a host name in a certificate. Source: RFC 5280, 4.2.1.6, and the underscore that many machines have.
var nameForm = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$`)

func isName(name string) bool { return len(name) <= 253 && nameForm.MatchString(name) }

func address(word string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(strings.Trim(word, "[]"))
	return ip.Unmap().WithZone(""), err == nil
}

// ThisMachine are the names by which a machine of that name is called in its network: as it is, without its domain, and with .local.
func ThisMachine(name string) Names {
	short, _, _ := strings.Cut(name, ".")
	if short = strings.ToLower(short); isName(short) && short != "local" { // local.local would be below local
		return NamesOf(name, short, short+".local")
	}
	return NamesOf(name)
}

// OfInterfaces are the addresses that this machine has now in networks that other machines may be in. Temporary ones of IPv6 (RFC 8981) are for
// connections that this machine begins: nobody calls it by one, and another takes its place every day.
func OfInterfaces() Names {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return Names{} // clients call it by name
	}
	var n Names
	passing := temporary()
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && !prefix.Addr().IsLoopback() && !prefix.Addr().IsLinkLocalUnicast() && !slices.Contains(passing, prefix.Addr()) {
			n.IP = append(n.IP, prefix.Addr())
		}
	}
	slices.SortFunc(n.IP, netip.Addr.Compare)
	return n
}
