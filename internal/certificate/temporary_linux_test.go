package certificate

import (
	"net/netip"
	"slices"
	"testing"
)

func TestTemporaryAddressesAreLeftOut(t *testing.T) {
	t.Parallel()
	got := temporaryIn(`fe80000000000000021122fffe334455 02 40 20 80     eth0
20010db8000000000000000000000005 02 40 00 00     eth0
20010db800000000aaaabbbbccccdddd 02 40 00 01     eth0
20010db800000000aaaabbbbcccceeee 02 40 00 21     eth0
00000000000000000000000000000001 01 80 10 80       lo
nothing of the kind
zz 02 40 00 01 eth0
`)
	want := []netip.Addr{netip.MustParseAddr("2001:db8::aaaa:bbbb:cccc:dddd"), netip.MustParseAddr("2001:db8::aaaa:bbbb:cccc:eeee")}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
