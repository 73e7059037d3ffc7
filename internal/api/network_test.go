package api_test

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/store"
)

// networked has a server answer clients of the network, too, and gives it a key of an owner.
func networked(s *served) { s.tcp = true }

// listen listens for clients of the network.
func (s *served) listen() net.Listener {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.address = listener.Addr().String()
	s.key = s.addKey("key_owner", "owner", 0)
	return listener
}

// addKey adds a key and returns it.
func (s *served) addKey(id, role string, perMinute int) string {
	s.t.Helper()
	key := "sk-scout-" + id
	err := s.store.Update(s.t.Context(), func(tx store.Tx) error {
		_, err := tx.PutAccessKey(store.AccessKey{ID: id, Name: id, Role: role, Hash: sha256.Sum256([]byte(key)), RequestsPerMinute: perMinute})
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

// ask sends a request over the network. A header Host is the name that is called.
func (s *served) ask(method, path, body string, headers ...string) (answer, string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.address+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			request.Host = headers[i+1]
			continue
		}
		if headers[i] == "Content-Type" {
			request.Header.Del(headers[i])
		}
		request.Header.Add(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		s.t.Fatal(err)
	}
	data, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		s.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header}, string(data)
}

// bearer is the header with a key.
func bearer(key string) []string { return []string{"Authorization", "Bearer " + key} }

// A page can make a name of its own lead to this machine. It cannot choose the name that this machine has.
func TestTheNameThatIsCalled(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, func(s *served) { s.network.Hosts = []string{"scout.test"} })
	_, port, _ := net.SplitHostPort(s.address)
	for host, allowed := range map[string]bool{
		"localhost": true, "LocalHost:" + port: true, "localhost.": true, "127.0.0.1:" + port: true, "127.0.0.1": true, "[::1]:1": true, "10.1.2.3": true, "::1": true,
		"box.example": true, "BOX:7268": true, "box.local": true, "scout.test:443": true,
		"evil.example": false, "localhost.evil.example": false, "evil.localhost": false, "127.0.0.1.evil.example": false, "2130706433": false, "0x7f.1": false,
		"box.evil": false, "a.box.local": false, "scout.test.evil": false, "": false,
	} {
		for _, path := range []string{"/livez", "/openapi.json", "/api/v1/version", "/api/v1/nothing", "/"} {
			text := "GET " + path + " HTTP/1.0\r\n" + strings.TrimSuffix("Host: "+host+"\r\n", "Host: \r\n") + "\r\n"
			response, body := reads(t, bufio.NewReader(s.raw(t, text)), "GET")
			if code := response.Header.Get(v1.HeaderCode); (code != string(scout.CodeHostNotAllowed)) != allowed || !allowed && response.StatusCode != http.StatusForbidden {
				t.Errorf("%q, %s: %d %s", host, path, response.StatusCode, body)
			}
		}
	}
}

// Pages of other sites can send requests from the browser of a person. They are refused whatever they send.
func TestPagesOfOtherSites(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, func(s *served) { s.network.Origins = []string{"https://notes.test"} })
	own := "http://" + s.address
	for situation, c := range map[string]struct {
		headers []string
		allowed bool
	}{
		"no page":                         {nil, true},
		"a page of this server":           {[]string{"Origin", own}, true},
		"its host in capitals":            {[]string{"Origin", strings.ToUpper(own)}, true},
		"a page that may use it":          {[]string{"Origin", "https://notes.test"}, true},
		"the same site":                   {[]string{"Sec-Fetch-Site", "same-origin"}, true},
		"a person's own request":          {[]string{"Sec-Fetch-Site", "none"}, true},
		"another site":                    {[]string{"Origin", "https://evil.test"}, false},
		"another port":                    {[]string{"Origin", "http://127.0.0.1:1"}, false},
		"another scheme that may not":     {[]string{"Origin", "http://notes.test"}, false},
		"the beginning of one that may":   {[]string{"Origin", "https://notes.test.evil"}, false},
		"a page of nowhere":               {[]string{"Origin", "null"}, false},
		"an origin that is none":          {[]string{"Origin", "::"}, false},
		"an empty origin":                 {[]string{"Origin", ""}, false},
		"two origins":                     {[]string{"Origin", own, "Origin", "https://evil.test"}, false},
		"a link on another site":          {[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, false},
		"another site without its origin": {[]string{"Sec-Fetch-Site", "cross-site"}, false},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			for _, method := range []string{"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT", "BREW"} {
				for _, path := range []string{"/livez", "/api/v1/keys", "/api/v1/events", "/nothing"} {
					if c.allowed && method == "GET" && path == "/api/v1/events" {
						continue // it does not end
					}
					response, body := s.ask(method, path, "", append(bearer(s.key), c.headers...)...)
					if refused := response.Header.Get(v1.HeaderCode) == string(scout.CodeOriginNotAllowed) && response.StatusCode == http.StatusForbidden; refused == c.allowed {
						t.Errorf("%s %s: %d %s", method, path, response.StatusCode, body)
					}
				}
			}
		})
	}
}

// A browser asks before a page sends what is no plain request, and tells the page an answer only where it may know it.
func TestPagesThatMayUseIt(t *testing.T) {
	t.Parallel()
	const page = "https://notes.test"
	s := serve(t, networked, func(s *served) { s.network.Origins, s.network.KeysAlways = []string{page}, true })
	response, body := s.ask("OPTIONS", "/api/v1/settings", "", "Origin", page, "Access-Control-Request-Method", "PATCH", "Access-Control-Request-Headers", "authorization, x-stainless-os")
	h := response.Header
	if response.StatusCode != http.StatusNoContent || body != "" || h.Get("Access-Control-Allow-Origin") != page || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "PATCH") ||
		h.Get("Access-Control-Allow-Headers") != "authorization, x-stainless-os" || h.Get("Access-Control-Max-Age") != "600" || h.Get("Vary") != "Origin" || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("preflight: %d %s %v", response.StatusCode, body, h)
	}
	if response, _ := s.ask("OPTIONS", "/api/v1/settings", "", "Origin", "https://evil.test", "Access-Control-Request-Method", "PATCH"); response.StatusCode != http.StatusForbidden || response.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("the preflight of another page: %d %v", response.StatusCode, response.Header)
	}
	for _, headers := range [][]string{bearer(s.key), nil} { // also the refusal
		response, _ := s.ask("GET", "/api/v1/version", "", append(headers, "Origin", page)...)
		if h := response.Header; h.Get("Access-Control-Allow-Origin") != page || h.Get("Access-Control-Expose-Headers") != "*" || (headers == nil) != (response.StatusCode == http.StatusUnauthorized) {
			t.Errorf("%d %v", response.StatusCode, h)
		}
	}
}

// * lets every page in with a key, and none without one: where programs of the same user need none, a page would be one of them.
func TestEveryPageWithAKey(t *testing.T) {
	t.Parallel()
	for _, always := range []bool{true, false} {
		s := serve(t, networked, func(s *served) { s.network.Origins, s.network.KeysAlways = []string{"*"}, always })
		asks := []string{"Origin", "https://any.test", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers"}
		for situation, c := range map[string]struct {
			method, path string
			headers      []string
			want         int
		}{
			"no key, and none is needed":           {"GET", "/livez", nil, map[bool]int{true: 200, false: 403}[always]},
			"no key":                               {"GET", "/api/v1/version", nil, map[bool]int{true: 401, false: 403}[always]},
			"a key":                                {"GET", "/api/v1/version", bearer(s.key), 200},
			"a key that is wrong":                  {"GET", "/api/v1/version", bearer("sk-scout-wrong"), 401},
			"a key of another service":             {"GET", "/api/v1/version", bearer("sk-other"), map[bool]int{true: 401, false: 403}[always]},
			"whether a key may be sent":            {"OPTIONS", "/api/v1/version", append(asks[2:len(asks):len(asks)], "x-a, authorization"), 204},
			"whether it may be sent without a key": {"OPTIONS", "/api/v1/version", append(asks[2:len(asks):len(asks)], "x-a"), map[bool]int{true: 204, false: 403}[always]},
		} {
			response, body := s.ask(c.method, c.path, "", append(c.headers, "Origin", "https://any.test")...)
			if response.StatusCode != c.want || (response.Header.Get("Access-Control-Allow-Origin") == "https://any.test") != (c.want != http.StatusForbidden) {
				t.Errorf("keys always %v, %s: %d %s %v, want %d", always, situation, response.StatusCode, body, response.Header, c.want)
			}
		}
	}
}

// Who shows no key is a client of this machine, or nobody.
func TestWhoNeedsNoKey(t *testing.T) {
	t.Parallel()
	as := func(uid int, err error) func(*served) {
		return func(s *served) { s.network.Peer = func(_, _ netip.AddrPort) (int, error) { return uid, err } }
	}
	for situation, c := range map[string]struct {
		change  func(*served)
		headers []string
		needs   bool
	}{
		"the same user":                {as(os.Getuid(), nil), nil, false},
		"any other bearer":             {as(os.Getuid(), nil), bearer("sk-anything"), false},
		"a name":                       {as(os.Getuid(), nil), []string{"X-Scout-Client", "notes"}, false},
		"another user":                 {as(os.Getuid()+1, nil), nil, true},
		"root, which may be a proxy":   {as(map[bool]int{true: 1, false: 0}[os.Getuid() == 0], nil), nil, true},
		"a user who is not known":      {as(0, errors.New("no such socket")), nil, true},
		"a proxy":                      {as(os.Getuid(), nil), []string{"X-Forwarded-For", "10.0.0.1"}, true},
		"another proxy":                {as(os.Getuid(), nil), []string{"Via", "1.1 p"}, true},
		"a third one":                  {as(os.Getuid(), nil), []string{"Forwarded", "for=10.0.0.1"}, true},
		"one with a header of its own": {as(os.Getuid(), nil), []string{"X-Real-IP", "10.0.0.1"}, true},
		"keys are always needed":       {func(s *served) { s.network.KeysAlways = true }, nil, true},
		"a key that is wrong":          {as(os.Getuid(), nil), bearer("sk-scout-wrong"), true},
		"a session that has ended":     {as(os.Getuid(), nil), []string{"Cookie", "scout_session=x"}, true},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			s := serve(t, networked, c.change)
			response, body := s.ask("GET", "/api/v1/version", "", c.headers...)
			if want := map[bool]int{true: 401, false: 200}[c.needs]; response.StatusCode != want {
				t.Fatalf("%d %s, want %d", response.StatusCode, body, want)
			}
			if c.needs && (response.Header.Get("WWW-Authenticate") != "Bearer" || response.Header.Get(v1.HeaderCode) != string(scout.CodeInvalidAPIKey) || !strings.Contains(body, `"hint"`)) {
				t.Errorf("%v %s", response.Header, body)
			}
			for _, path := range []string{"/livez", "/readyz", "/openapi.json"} { // these need none
				if response, body := s.ask("GET", path, "", c.headers...); response.StatusCode != 200 {
					t.Errorf("%s: %d %s", path, response.StatusCode, body)
				}
			}
			if _, body := s.ask("GET", "/healthz", "", c.headers...); (body == `{"status":"Healthy"}`) != c.needs {
				t.Errorf("healthz says %s", body)
			}
			if response, _ := s.ask("GET", "/metrics", "", c.headers...); (response.StatusCode == 200) == c.needs {
				t.Errorf("metrics: %d", response.StatusCode)
			}
			// A key is enough, wherever it comes from.
			other := c.headers
			if len(other) > 0 && other[0] == "Authorization" {
				other = nil
			}
			if response, body := s.ask("GET", "/api/v1/keys", "", append(bearer(s.key), other...)...); response.StatusCode == 401 {
				t.Errorf("with a key: %d %s", response.StatusCode, body)
			}
		})
	}
}

func TestABasePath(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, func(s *served) { s.network.BasePath = "/scout" })
	for path, want := range map[string]int{
		"/scout/api/v1/version": 200, "//scout//api/v1/version/": 200, "/scout/livez": 200, "/scout": 404, "/scout/": 404,
		"/api/v1/version": 404, "/scoutapi/v1/version": 404, "/livez": 404, "/scout/../api/v1/version": 404, "/%73cout/livez": 404,
	} {
		if response, body := s.ask("GET", path, ""); response.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", path, response.StatusCode, body, want)
		}
	}
	if response, body := s.do("GET", "/api/v1/version", ""); response.StatusCode != 200 {
		t.Errorf("by the socket: %d %s", response.StatusCode, body)
	}
	if _, body := s.ask("GET", "/scout/openapi.json", ""); !strings.Contains(body, `"servers":[{"url":"/scout"}]`) {
		t.Error("the document does not say where its paths begin")
	}
}

// Two hundred clients are served, beside as many that say nothing, and the clients of the network keep no command of the owner out.
func TestTwoHundredClients(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	for range 200 {
		s.raw(t, "GET /api/v1/version HTTP/1.1\r\nHo") // the rest never comes
	}
	const each = 20
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() { // ends with its requests
			c := s.raw(t, "")
			r := bufio.NewReader(c)
			for range each {
				if _, err := io.WriteString(c, "GET /api/v1/version HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
					t.Error(err)
					return
				}
				response, err := http.ReadResponse(r, nil)
				if err != nil || response.StatusCode != 200 {
					t.Errorf("%+v, %v", response, err)
					return
				}
				_, err = io.Copy(io.Discard, response.Body)
				if err := errors.Join(err, response.Body.Close()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for range 600 { // more than there is room for
		if c, err := net.Dial("tcp", s.address); err == nil {
			t.Cleanup(func() { _ = c.Close() }) // the test is over
		}
	}
	if response, body := s.do("GET", "/api/v1/version", ""); response.StatusCode != 200 {
		t.Errorf("the owner: %d %s", response.StatusCode, body)
	}
}
