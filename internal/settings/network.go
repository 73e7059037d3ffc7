package settings

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// HTTP is about clients that come over the network. Lists are separated by commas or spaces.
type HTTP struct {
	Addr           string `koanf:"addr" is:"listeners" about:"Addresses at which the daemon answers HTTP, besides its unix socket. One that other machines reach needs a key (scout keys create). localhost:PORT is both addresses of this machine; off is none."`
	AllowedHosts   string `koanf:"allowed_hosts" is:"names" unset:"localhost, addresses, and the name of this machine" about:"Further names by which clients may call this machine."`
	AllowedOrigins string `koanf:"allowed_origins" is:"origins" unset:"none" about:"Origins of other pages that may use the daemon, such as https://notes.example; * is every page, with a key."`
	BasePath       string `koanf:"base_path" is:"prefix" unset:"none" about:"What precedes every path of HTTP, for a proxy that serves Scout below another site, such as /scout."`
}

// TLS is about whether clients of the network speak TLS.
type TLS struct {
	Mode      string `koanf:"mode" want:"off files auto" about:"Whether the addresses of http.addr speak TLS: files has a certificate of yours, auto one of Scout's own CA, for this machine alone. Addresses of the machine itself take plain HTTP, too."`
	Cert      string `koanf:"cert" is:"file" unset:"none" about:"Certificate in PEM, with those behind it that lead to its authority; read again when it changes."`
	Key       string `koanf:"key" is:"file" unset:"none" about:"Key of tls.cert in PEM; read again when it changes."`
	KeepCAKey string `koanf:"keep_ca_key" want:"off on" about:"Whether the key of Scout's own CA is kept: then new certificates need no new trust, and whoever gets the key can pose as this machine."`
}

// On reports whether TLS is spoken.
func (t TLS) On() bool { return t.Mode != off }

// Own reports whether Scout makes the certificate.
func (t TLS) Own() bool { return t.Mode == "auto" }

// Metrics is about addresses at which there is nothing but the metrics.
type Metrics struct {
	Addr    string `koanf:"addr" is:"listeners" unset:"off" about:"Addresses at which the daemon answers /metrics and nothing else, for a program that collects them. One that other machines reach needs metrics.key_file. localhost:PORT is both addresses of this machine; off is none."`
	KeyFile string `koanf:"key_file" is:"file" unset:"no key: programs of the same user on this machine only" about:"File with the key that whoever reads the metrics at metrics.addr sends, of 16 characters or more in one line. It is read anew each time."`
}

// Addresses are those at which the daemon answers /metrics alone.
func (m Metrics) Addresses() []string { return HTTP{Addr: m.Addr}.Addresses() }

// Auth is about who needs a key.
type Auth struct {
	Loopback string `koanf:"loopback" want:"open key" about:"Whether programs of the same user on this machine may use HTTP without a key; they may do what a key with the role client allows."`
}

// Limits are about how much Scout may use, and how much clients may ask for.
type Limits struct {
	MemoryMB               int `koanf:"memory_mb" zero:"auto" min:"0" max:"1048576" about:"Megabytes that all processes of Scout may use; beyond it models are unloaded, then Scout reduces its work. At one and a half times as much no model stays loaded. auto chooses it by the models in use: 200 and 1.3 times their memory, at most half of that of the machine or of its control group."`
	CPUPercent             int `koanf:"cpu_percent" min:"1" max:"100" about:"How much of all processors Scout may use, in percent; beyond it the work that nobody waits for is slowed down, and nothing else."`
	UploadBytes            int `koanf:"upload_bytes" min:"1" max:"1099511627776" about:"Bytes of the largest file that may be uploaded."`
	AudioSeconds           int `koanf:"audio_seconds" min:"1" max:"31536000" about:"Seconds of audio in the longest upload of which a text is made, and in the longest recording that a client sends while it is made."`
	LiveSessions           int `koanf:"live_sessions" min:"1" max:"1024" about:"How many sessions of sound that clients send while it is made may be open; one client may have a quarter of them."`
	RealtimeUnheardSeconds int `koanf:"realtime_unheard_seconds" min:"60" max:"43200" about:"How much sound of a realtime session, in seconds, may wait to be heard: it lies on the disk, 230 MB for an hour. Beyond it the session is not read until some was heard."`
	RequestsPerMinute      int `koanf:"requests_per_minute" min:"0" max:"1000000" about:"How many requests a minute may come with one key that has no number of its own, and from all programs without a key together; 0 for any number."`
	Streams                int `koanf:"streams" min:"1" max:"400" about:"How many answers over HTTP may be under way that can last for hours: event streams, and audio that is followed."`
	StreamsPerClient       int `koanf:"streams_per_client" min:"1" max:"400" about:"How many of them one client may have: a key, a session of a page, or the programs without a key that go by one name."`
	SyncWaitSeconds        int `koanf:"sync_wait_seconds" min:"1" max:"86400" about:"Seconds that a request below /v1 may wait for the first piece of its text; it is refused at once where that is expected to take longer."`
	RequestSeconds         int `koanf:"request_seconds" min:"1" max:"86400" about:"Seconds that a request below /v1 may take in all."`
}

// Addresses are those at which the daemon listens.
func (h HTTP) Addresses() []string {
	if strings.EqualFold(h.Addr, off) {
		return nil
	}
	return listed(h.Addr)
}

// Hosts are further names of this machine.
func (h HTTP) Hosts() []string { return listed(h.AllowedHosts) }

// Origins are those of other pages.
func (h HTTP) Origins() []string { return listed(h.AllowedOrigins) }

// off is the address of a daemon that does not listen.
const off = "off"

// listed are the members of a list.
func listed(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' })
}

// networkForms are the kinds of texts about the network: how they are described, and what is wrong with one member of the list, empty for
// nothing.
func networkForms() map[string]struct {
	allowed string
	wrong   func(member string) string
} {
	return map[string]struct {
		allowed string
		wrong   func(member string) string
	}{
		"listeners": {"addresses such as 127.0.0.1:7268, separated by commas, or off", wrongListener},
		"names":     {"names such as scout.example, separated by commas", wrongName},
		"origins":   {"origins such as https://notes.example, separated by commas, or *", wrongOrigin},
		"prefix":    {"a path such as /scout", wrongPrefix},
	}
}

func wrongListener(member string) string {
	if strings.EqualFold(member, off) {
		return "off stands alone"
	}
	host, port, err := net.SplitHostPort(member)
	if err != nil {
		return fmt.Sprintf("%q has no port", member)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return fmt.Sprintf("%q is no port: want 0 to 65535", port)
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !strings.EqualFold(host, "localhost") {
		return fmt.Sprintf("%q is no address of a machine", host)
	}
	return ""
}

func wrongName(member string) string {
	if strings.ContainsAny(member, `/:*@"`) {
		return fmt.Sprintf("%q is no name: want it without port and path", member)
	}
	return ""
}

func wrongOrigin(member string) string {
	page, err := url.Parse(member)
	plain := err == nil && (page.Scheme == "http" || page.Scheme == "https") && page.Host != "" && member == page.Scheme+"://"+page.Host
	if member != "*" && !plain {
		return fmt.Sprintf("%q is no origin", member)
	}
	return ""
}

func wrongPrefix(member string) string {
	if member == "/" || !strings.HasPrefix(member, "/") || path.Clean(member) != member || strings.ContainsAny(member, `%?#"\`) {
		return fmt.Sprintf("%q is no path: want it to begin with / and not to end with one", member)
	}
	return ""
}

// checkNetwork says what is wrong with a text about the network.
func (f field) checkNetwork(text string) error {
	form, is := networkForms()[f.is]
	members := listed(text)
	switch {
	case !is, f.is == "listeners" && strings.EqualFold(text, off):
		return nil
	case len(members) == 0, f.is == "prefix" && len(members) > 1:
		return f.refuse(strconv.Quote(text))
	}
	for _, member := range members {
		if wrong := form.wrong(member); wrong != "" {
			return fmt.Errorf("is %q: %s; want %s", text, wrong, form.allowed)
		}
	}
	return nil
}

// FromOutside reports whether other machines reach an address of http.addr.
func FromOutside(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil || strings.EqualFold(host, "localhost") {
		return false
	}
	at, err := netip.ParseAddr(host)
	return err != nil || !at.IsLoopback()
}
