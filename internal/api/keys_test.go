package api_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

func TestKeysAreMadeAndDeleted(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, func(s *served) { s.network.KeysAlways = true })
	response, body := s.do("POST", "/api/v1/keys", `{"name":"notes","role":"owner"}`)
	var made v1.NewKey
	if err := json.Unmarshal([]byte(body), &made); err != nil || response.StatusCode != http.StatusCreated || len(made.Secret) != len("sk-scout-")+43 || made.Role != "owner" {
		t.Fatalf("%d %s %v", response.StatusCode, body, err)
	}
	if _, list := s.do("GET", "/api/v1/keys", ""); !strings.Contains(list, made.ID) || strings.Contains(list, made.Secret) {
		t.Errorf("%s", list)
	}
	if response, body := s.ask("GET", "/api/v1/keys", "", bearer(made.Secret)...); response.StatusCode == 401 || response.StatusCode == 403 {
		t.Errorf("with it: %d %s", response.StatusCode, body)
	}
	if response, body := s.ask("GET", "/api/v1/version?key="+made.Secret, ""); response.StatusCode != 401 {
		t.Errorf("a key in the query: %d %s", response.StatusCode, body)
	}
	if response, _ := s.do("DELETE", "/api/v1/keys/"+made.ID, ""); response.StatusCode != http.StatusNoContent {
		t.Errorf("delete: %d", response.StatusCode)
	}
	if response, body := s.ask("GET", "/api/v1/version", "", bearer(made.Secret)...); response.StatusCode != 401 {
		t.Errorf("after that: %d %s", response.StatusCode, body)
	}
	if response, body := s.do("POST", "/api/v1/keys", `{"name":"x"}`, "Idempotency-Key", "a"); response.StatusCode != 422 {
		t.Errorf("a key that would be kept for a repetition: %d %s", response.StatusCode, body)
	}
	for _, wrong := range []string{`{}`, `{"name":""}`, `{"name":"x","role":"admin"}`, `{"name":"x","requests_per_minute":-1}`} {
		if response, body := s.do("POST", "/api/v1/keys", wrong); response.StatusCode != 422 {
			t.Errorf("%s: %d %s", wrong, response.StatusCode, body)
		}
	}
	database, err := os.ReadFile(s.dir + "/scout.db-wal")
	if err != nil || strings.Contains(string(database), made.Secret) {
		t.Errorf("the key is in the database: %v", err)
	}
}

func TestRequestsOfAKeyAreBounded(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	slow, free := s.addKey("key_slow", "client", 6), s.addKey("key_free", "client", 0)
	if response, body := s.ask("GET", "/api/v1/version", "", bearer(slow)...); response.StatusCode != 200 {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	response, body := s.ask("GET", "/api/v1/version", "", bearer(slow)...)
	h := response.Header
	if response.StatusCode != http.StatusTooManyRequests || h.Get(v1.HeaderCode) != string(scout.CodeRateLimit) || h.Get("Retry-After") != "10" || h.Get("Retry-After-Ms") == "" || !strings.Contains(body, `"rate_limit_error"`) {
		t.Errorf("%d %v %s", response.StatusCode, h, body)
	}
	if !strings.Contains(body, "key_slow may send 6 requests a minute") {
		t.Errorf("%s", body)
	}
	for range 20 {
		if response, body := s.ask("GET", "/api/v1/version", "", bearer(free)...); response.StatusCode != 200 {
			t.Fatalf("another key: %d %s", response.StatusCode, body)
		}
	}
	if response, _ := s.ask("GET", "/livez", "", bearer(slow)...); response.StatusCode != http.StatusTooManyRequests && response.StatusCode != 200 {
		t.Errorf("livez: %d", response.StatusCode)
	}
}

// The general number is for each key, and for all programs without one together.
func TestRequestsWithoutAKeyAreBoundedTogether(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, func(s *served) { s.network.RequestsPerMinute = 6 })
	if response, body := s.ask("GET", "/api/v1/version", "", "X-Scout-Client", "notes"); response.StatusCode != 200 {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	response, body := s.ask("GET", "/api/v1/version", "", "X-Scout-Client", "phone")
	if response.StatusCode != http.StatusTooManyRequests || !strings.Contains(body, "programs without a key, together, may send 6 requests a minute") {
		t.Errorf("another program: %d %s", response.StatusCode, body)
	}
	if response, body := s.ask("GET", "/api/v1/version", "", bearer(s.key)...); response.StatusCode != 200 {
		t.Errorf("a key: %d %s", response.StatusCode, body)
	}
}

func TestSessionsOfPages(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	if response, body := s.ask("POST", "/api/v1/session", ""); response.StatusCode != 401 {
		t.Errorf("without a key: %d %s", response.StatusCode, body)
	}
	response, body := s.ask("POST", "/api/v1/session", "", bearer(s.key)...)
	cookie := response.Header.Get("Set-Cookie")
	for _, part := range []string{"scout_session=", "HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="} {
		if !strings.Contains(cookie, part) {
			t.Errorf("%d %s: the cookie %q has no %s", response.StatusCode, body, cookie, part)
		}
	}
	value, _, _ := strings.Cut(cookie, ";")
	if response, body := s.ask("GET", "/api/v1/keys", "", "Cookie", value); response.StatusCode != 200 {
		t.Errorf("with the cookie: %d %s", response.StatusCode, body)
	}
	if response, _ := s.ask("DELETE", "/api/v1/keys/x", "", "Cookie", value, "Origin", "https://evil.test"); response.StatusCode != http.StatusForbidden {
		t.Errorf("another page with the cookie: %d", response.StatusCode)
	}
	if response, _ := s.ask("DELETE", "/api/v1/session", "", "Cookie", value); response.StatusCode != http.StatusNoContent || !strings.Contains(response.Header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("its end: %d %v", response.StatusCode, response.Header)
	}
	if response, _ := s.ask("GET", "/api/v1/keys", "", "Cookie", value); response.StatusCode != 401 {
		t.Errorf("after its end: %d", response.StatusCode)
	}
	response, _ = s.ask("POST", "/api/v1/session", "", bearer(s.key)...)
	value, _, _ = strings.Cut(response.Header.Get("Set-Cookie"), ";")
	s.do("DELETE", "/api/v1/keys/key_owner", "")
	if response, _ := s.ask("GET", "/api/v1/keys", "", "Cookie", value); response.StatusCode != 401 {
		t.Errorf("after the end of its key: %d", response.StatusCode)
	}
}

// scout open gives a browser the owner's session, once.
func TestALinkOpensASession(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, func(s *served) { s.network.BasePath = "/scout" })
	_, body := s.do("POST", "/api/v1/session/link", "")
	var link v1.SessionLink
	if err := json.Unmarshal([]byte(body), &link); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	path := "/scout" + strings.TrimPrefix(link.URL, "http://"+s.address)
	if response, _ := s.ask("HEAD", path, ""); response.StatusCode != http.StatusSeeOther || response.Header.Get("Set-Cookie") != "" {
		t.Errorf("whoever looks at it: %d %v", response.StatusCode, response.Header)
	}
	// Wherever the person found it.
	response, _ := s.ask("GET", path, "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
	cookie, _, _ := strings.Cut(response.Header.Get("Set-Cookie"), ";")
	if response.StatusCode != http.StatusSeeOther || response.Header.Get("Location") != "/scout/docs" || cookie == "" || !strings.Contains(response.Header.Get("Set-Cookie"), "Path=/scout") {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	if response, body := s.ask("GET", "/scout/api/v1/keys", "", "Cookie", cookie); response.StatusCode != 200 {
		t.Errorf("the owner's page: %d %s", response.StatusCode, body)
	}
	if response, body := s.ask("GET", path, ""); response.StatusCode != http.StatusGone || response.Header.Get("Set-Cookie") != "" {
		t.Errorf("again: %d %s", response.StatusCode, body)
	}
	if response, body := s.ask("POST", "/scout/api/v1/session/link", ""); response.StatusCode != http.StatusForbidden {
		t.Errorf("a client: %d %s", response.StatusCode, body)
	}
}

// The page that shows the document loads nothing from elsewhere and works below a base path.
func TestThePageOfTheDocument(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, func(s *served) { s.network.BasePath = "/scout" })
	response, page := s.ask("GET", "/scout/docs", "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
	if policy := response.Header.Get("Content-Security-Policy"); response.StatusCode != 200 || !strings.Contains(policy, "default-src 'none'") || strings.Contains(page, "://") {
		t.Errorf("%d %q %s", response.StatusCode, policy, page)
	}
	for _, attribute := range regexp.MustCompile(`(?:src|href)="([^"]+/assets/[^"]+)"`).FindAllStringSubmatch(page, -1) {
		response, body := s.ask("GET", attribute[1], "")
		if response.StatusCode != 200 || len(body) < 100 || strings.Contains(body, "http://") || strings.Contains(body, "https://") || strings.Contains(body, "innerHTML") {
			t.Errorf("%s: %d, %d bytes", attribute[1], response.StatusCode, len(body))
		}
	}
}
