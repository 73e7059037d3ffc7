package certificate

import (
	"encoding/hex"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// temporary are the addresses of IPv6 that the kernel made for a while.
func temporary() []netip.Addr {
	content, err := os.ReadFile("/proc/net/if_inet6")
	if err != nil {
		return nil // there is no IPv6
	}
	return temporaryIn(string(content))
}

// temporaryIn reads lines of address, number of the interface, length of the prefix, scope, flags and name. Source: proc_net(5), and
// IFA_F_TEMPORARY of linux/if_addr.h.
func temporaryIn(content string) []netip.Addr {
	const flagTemporary = 0x01
	var found []netip.Addr
	for line := range strings.Lines(content) {
		fields := strings.Fields(line)
		if len(fields) < 6 {
			continue
		}
		raw, err := hex.DecodeString(fields[0])
		flags, flagsErr := strconv.ParseUint(fields[4], 16, 32)
		if ip, is := netip.AddrFromSlice(raw); err == nil && flagsErr == nil && is && flags&flagTemporary != 0 {
			found = append(found, ip)
		}
	}
	return found
}
