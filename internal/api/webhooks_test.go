package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/webhook"
)

// addWebhook makes a webhook with that id, whose receiver answers 204, and a delivery to it.
func (s *served) addWebhook(id string) {
	s.t.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	s.t.Cleanup(receiver.Close)
	err := s.store.Update(s.t.Context(), func(tx store.Tx) error {
		_, err := tx.PutWebhook(store.Webhook{ID: id, URL: receiver.URL, Host: receiver.Listener.Addr().String(), Events: []string{"job.dead", "job.succeeded"}, Enabled: true, Secret: webhook.NewSecret()})
		if err != nil {
			return err
		}
		if _, err := tx.Append(store.EventStream, store.NewEvent{Type: store.EventJobSucceeded, Recording: string(exampleID), Data: []byte(`{"id":"job_1"}`)}); err != nil {
			return err
		}
		d, err := tx.Delivery(id, 1)
		if err != nil {
			return err
		}
		d.State, d.Attempts, d.Status, d.EndedAt = store.DeliveryDelivered, 1, http.StatusNoContent, d.At.Add(100*time.Millisecond)
		return tx.PutDelivery(&d)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestWebhooksAreMadeChangedAndDeleted(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const hooks = "/api/v1/webhooks"
	response, body := s.do("POST", hooks, `{"url":"http://127.0.0.1:9/","events":["job.dead","job.succeeded","job.dead"]}`)
	var made v1.NewWebhook
	if err := json.Unmarshal([]byte(body), &made); err != nil || response.StatusCode != http.StatusCreated || !made.Enabled || len(made.Events) != 2 {
		t.Fatalf("%d %s %v", response.StatusCode, body, err)
	}
	if _, err := webhook.ParseSecret(made.Secret); err != nil {
		t.Errorf("the secret is %q: %v", made.Secret, err)
	}
	for _, path := range []string{hooks, hooks + "/" + made.ID, hooks + "/" + made.ID + "/deliveries"} {
		response, body := s.do("GET", path, "")
		if response.StatusCode != http.StatusOK || strings.Contains(body, "whsec") || strings.Contains(body, strings.TrimPrefix(made.Secret, "whsec_")) {
			t.Errorf("%s: %d %s", path, response.StatusCode, body)
		}
	}
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "", `{"url":"ftp://notes.example/","events":["job.dead"]}`, 422},
		{"POST", "", `{"url":"https://ann:secret@notes.example/","events":["job.dead"]}`, 422},
		{"POST", "", `{"url":"https:///","events":["job.dead"]}`, 422},
		{"POST", "", `{"url":"https://notes.example/#a","events":["job.dead"]}`, 422},
		{"POST", "", `{"url":"https://notes.example:99999/","events":["job.dead"]}`, 422},
		{"POST", "", `{"url":"https://notes.example/","events":[]}`, 422},
		{"POST", "", `{"url":"https://notes.example/"}`, 422},
		{"POST", "", `{"url":"https://notes.example/","events":["recording.started"]}`, 422},
		{"POST", "", `{"url":"https://notes.example/","events":["job.dead"],"secret":"mine"}`, 422},
		{"POST", "", `{"url":"https://notes.example/\u202e","events":["job.dead"]}`, 422},
		{"PATCH", "/" + made.ID, `{"url":"nonsense"}`, 422},
		{"PATCH", "/" + made.ID, `{"url":null}`, 422},
		{"PATCH", "/" + made.ID, `{"enabled":null}`, 422},
		{"PATCH", "/" + made.ID, `{"events":[]}`, 422},
		{"PATCH", "/whk_none", `{"enabled":false}`, 404},
		{"GET", "/whk_none", "", 404},
		{"GET", "/whk_none/deliveries", "", 404},
		{"POST", "/whk_none/test", "", 404},
		{"POST", "/whk_none/deliveries/1/redeliver", "", 404},
		{"POST", "/" + made.ID + "/deliveries/1/redeliver", "", 404},
		{"POST", "/" + made.ID + "/deliveries/0/redeliver", "", 422},
		{"DELETE", "/whk_none", "", 404},
	} {
		if response, body := s.do(c.method, hooks+c.path, c.body); response.StatusCode != c.status {
			t.Errorf("%s %s %s: %d %s, want %d", c.method, c.path, c.body, response.StatusCode, body, c.status)
		}
	}
	response, body = s.do("POST", hooks, `{"url":"https://ann:hunter22@notes.example/","events":["job.dead"]}`)
	if strings.Contains(body, "hunter22") {
		t.Errorf("%d %s: the refusal repeats what is secret", response.StatusCode, body)
	}
	if response, body := s.do("POST", hooks, `{"url":"https://notes.example/","events":["job.dead"]}`, "Idempotency-Key", "a"); response.StatusCode != 422 {
		t.Errorf("a secret that would be kept for a repetition: %d %s", response.StatusCode, body)
	}
	if _, body := s.do("PATCH", hooks+"/"+made.ID, `{"url":"https://notes.example/new","include_text":true,"events":["health.changed"]}`); !strings.Contains(body, `"https://notes.example/new"`) || !strings.Contains(body, `"include_text":true`) || !strings.Contains(body, `["health.changed"]`) {
		t.Errorf("changed: %s", body)
	}
	if response, _ := s.do("DELETE", hooks+"/"+made.ID, ""); response.StatusCode != http.StatusNoContent {
		t.Errorf("deleted: %d", response.StatusCode)
	}
	if _, body := s.do("GET", hooks, ""); strings.Contains(body, made.ID) {
		t.Errorf("after that: %s", body)
	}
}

func TestATestTellsWhatTheReceiverAnswers(t *testing.T) {
	t.Parallel()
	s := serve(t)
	var got struct {
		Type string `json:"type"`
		Data struct {
			Webhook string `json:"webhook"`
		} `json:"data"`
	}
	status := http.StatusNoContent
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
	}))
	defer receiver.Close()
	_, body := s.do("POST", "/api/v1/webhooks", `{"url":"`+receiver.URL+`/?token=sesame","events":["job.dead"],"enabled":false}`)
	var made v1.NewWebhook
	if err := json.Unmarshal([]byte(body), &made); err != nil {
		t.Fatal(err)
	}
	ask := func() (tested v1.WebhookTest, body string) {
		response, body := s.do("POST", "/api/v1/webhooks/"+made.ID+"/test", "")
		if err := json.Unmarshal([]byte(body), &tested); err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%d %s %v", response.StatusCode, body, err)
		}
		return tested, body
	}
	if tested, body := ask(); tested.Status != 204 || tested.Error != nil || got.Type != "webhook.test" || got.Data.Webhook != made.ID {
		t.Errorf("%s, and the receiver got %+v", body, got)
	}
	status = http.StatusTeapot
	if tested, body := ask(); tested.Status != 418 || tested.Error == nil || tested.Error.Code != scout.CodeWebhookFailed {
		t.Errorf("%s", body)
	}
	receiver.Close()
	tested, body := ask()
	if tested.Status != 0 || tested.Error == nil || tested.Error.Code != scout.CodeWebhookFailed || strings.Contains(body, "sesame") {
		t.Errorf("%s", body)
	}
	if _, body := s.do("GET", "/api/v1/webhooks/"+made.ID+"/deliveries", ""); strings.TrimSpace(body) != `{"data":[]}` {
		t.Errorf("something was kept of the tests: %s", body)
	}
}

// heard is a message that a receiver has got.
type heard struct {
	header http.Header
	body   string
}

// hears sends what waits for webhooks until the test ends. It returns a receiver on this machine, and what that is told.
func (s *served) hears() (url string, told <-chan heard) {
	s.t.Helper()
	all := make(chan heard, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			s.t.Error(err)
		}
		all <- heard{r.Header, string(body)}
	}))
	s.t.Cleanup(receiver.Close)
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.services.Webhooks.Run(ctx) }() // ended by cancel
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	})
	return receiver.URL, all
}

// A job has a webhook of its own. That of a client may not lead into the network of Scout; its secret is shown nowhere.
func TestAJobHasAWebhookOfItsOwn(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	receiver, told := s.hears()
	s.recordFor(exampleID, "key_a")
	mine := s.addKey("key_a", "client", 0)
	secret := webhook.FormatSecret(webhook.NewSecret())
	order := func(url, secret string) string {
		return `{"kind":"transcribe","recording_id":"` + string(exampleID) + `","webhook":{"url":"` + url + `","secret":"` + secret + `"}}`
	}
	for _, refused := range []string{
		order(receiver, secret), order("http://10.0.0.1/", secret), order("http://[::1]/", secret), order("http://[::ffff:127.0.0.1]/", secret),
		order("https://notes.example/", "whsec_short"), order("https://notes.example/", strings.TrimPrefix(secret, "whsec_")), order("file:///etc/passwd", secret),
	} {
		response, body := s.ask("POST", "/api/v1/jobs", refused, bearer(mine)...)
		if response.StatusCode != 422 || strings.Contains(body, "whsec_short") {
			t.Errorf("%s: %d %s", refused, response.StatusCode, body)
		}
	}
	if _, body := s.do("GET", "/api/v1/jobs", ""); strings.Contains(body, "job_") {
		t.Fatalf("a job that was refused: %s", body)
	}
	response, body := s.ask("POST", "/api/v1/jobs", order("http://localhost:1/", secret), bearer(mine)...) // a name says nothing before it is asked for
	if response.StatusCode != http.StatusAccepted || strings.Contains(body, secret) {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	var j v1.Job
	if err := json.Unmarshal([]byte(body), &j); err != nil {
		t.Fatal(err)
	}
	if response, body := s.do("POST", "/api/v1/jobs", order(receiver, secret)); response.StatusCode != http.StatusOK { // the owner wants to know of it, too
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	for _, path := range []string{"/jobs", "/jobs/" + j.ID, "/webhooks"} {
		if _, body := s.do("GET", "/api/v1"+path, ""); strings.Contains(body, "whsec") || strings.Contains(body, receiver) {
			t.Errorf("%s shows %s", path, body)
		}
	}
	s.do("POST", "/api/v1/jobs/"+j.ID+"/cancel", "")
	if said := <-told; !strings.Contains(said.body, `"job.cancelled"`) || !strings.Contains(said.body, j.ID) {
		t.Errorf("told %s", said.body)
	}
	s.looksAtTheWebhooksOf(j.ID, secret)
	if response, body := s.do("POST", "/api/v1/jobs", order(receiver, secret)); response.StatusCode != http.StatusOK || !strings.Contains(body, "cancelled") {
		t.Errorf("a job that has ended: %d %s", response.StatusCode, body)
	}
	if response, body := s.ask("GET", "/api/v1/webhooks", "", bearer(mine)...); response.StatusCode != http.StatusForbidden {
		t.Errorf("webhooks for a client: %d %s", response.StatusCode, body)
	}
}

// looksAtTheWebhooksOf checks that the owner sees what became of the webhooks of a job, the first of which is a client's and leads to this
// machine.
func (s *served) looksAtTheWebhooksOf(job, secret string) {
	s.t.Helper()
	_, body := s.do("GET", "/api/v1/webhooks?job="+job, "")
	var hooks v1.Webhooks
	if err := json.Unmarshal([]byte(body), &hooks); err != nil || len(hooks.Data) != 2 || hooks.Data[0].JobID != job || strings.Contains(body, secret) {
		s.t.Fatalf("%s: %v", body, err)
	}
	at := "/api/v1/webhooks/" + hooks.Data[0].ID
	for state := "waiting"; state == "waiting"; {
		var list v1.Page[v1.Delivery]
		_, body = s.do("GET", at+"/deliveries", "")
		if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Data) != 1 {
			s.t.Fatalf("%s: %v", body, err)
		}
		state = list.Data[0].State
	}
	if !strings.Contains(body, `"dead"`) || !strings.Contains(body, "private network") || strings.Contains(body, "127.0.0.1") {
		s.t.Errorf("a client's message to this machine: %s", body)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"PATCH", "", `{"url":"http://10.0.0.1/"}`, 422}, // it stays a client's
		{"PATCH", "", `{"enabled":true}`, 200},
		{"POST", "/deliveries/1/redeliver", "", 200},
		{"DELETE", "", "", 204},
		{"GET", "", "", 404},
	} {
		if response, body := s.do(c.method, at+c.path, c.body); response.StatusCode != c.status {
			s.t.Errorf("%s %s: %d %s, want %d", c.method, c.path, response.StatusCode, body, c.status)
		}
	}
}

// The webhook of an upload is that of its job. Its secret is told to nobody, and is in no file once there is a job.
func TestAnUploadHasAWebhook(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	mine := s.addKey("key_a", "client", 0)
	file, secret := wavFile(), webhook.FormatSecret(webhook.NewSecret())
	hook := `{"url":"https://notes.example/hooks/scout","secret":"` + secret + `"}`
	for _, wrong := range []string{`{}`, `[]`, `nonsense`, `{"url":"https://notes.example/"}`, `{"url":"http://192.168.1.1/","secret":"` + secret + `"}`, hook[:len(hook)-1] + `,"more":1}`} {
		if response, body := s.tus(mine, "POST", "/uploads", "", "Upload-Length", "8044", "Upload-Metadata", meta("webhook", wrong)); response.StatusCode != 422 {
			t.Errorf("%s: %d %s", wrong, response.StatusCode, body)
		}
	}
	if response, body := s.tus(mine, "POST", "/uploads", "", "Upload-Length", "8044", "Upload-Metadata", meta("webhook", hook, "transcribe", "false")); response.StatusCode != 422 {
		t.Errorf("without a job: %d %s", response.StatusCode, body)
	}
	response, body := s.tus(mine, "POST", "/uploads", "", "Upload-Length", "8044", "Upload-Metadata", meta("filename", "talk.wav", "webhook", hook))
	at := response.Header.Get("Location")
	if response.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	if response, _ := s.tus(mine, "HEAD", at, ""); response.Header.Get("Upload-Metadata") != meta("filename", "talk.wav") {
		t.Errorf("it is told as %q", response.Header.Get("Upload-Metadata"))
	}
	response, body = s.tus(mine, "PATCH", at, file, "Upload-Offset", "0")
	if response.StatusCode != http.StatusNoContent || response.Header.Get(v1.HeaderJob) == "" {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "uploads", ".incoming", "*"))
	if err != nil || len(files) == 0 {
		t.Fatal("no upload is kept", err)
	}
	for _, path := range files {
		if data, err := os.ReadFile(path); err != nil || strings.Contains(string(data), secret) {
			t.Errorf("%s has the secret (%v)", path, err)
		}
	}
	s.do("POST", "/api/v1/jobs/"+response.Header.Get(v1.HeaderJob)+"/cancel", "")
	agenda, err := s.store.DeliveryAgenda(t.Context(), time.Now().AddDate(1, 0, 0))
	if err != nil || len(agenda) != 1 || agenda[0].Host != "notes.example:443" || agenda[0].Owners {
		t.Errorf("%+v %v", agenda, err)
	}
}

// A form says who is told of the end of its job, as JSON or by parts. Refused, it leaves nothing.
func TestAFormHasAWebhook(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	receiver, told := s.hears()
	mine := s.addKey("key_a", "client", 0)
	secret := webhook.NewSecret()
	shown := webhook.FormatSecret(secret)
	hook := func(url string) string { return `{"url":"` + url + `","secret":"` + shown + `"}` }
	for situation, parts := range map[string][]part{
		"no JSON":             {{"webhook", receiver}},
		"no secret":           {{"webhook[url]", "https://notes.example/"}},
		"no URL":              {{"webhook[secret]", shown}},
		"an unknown part":     {{"webhook[url]", "https://notes.example/"}, {"webhook[secret]", shown}, {"webhook[events]", "job.dead"}},
		"both forms":          {{"webhook", hook("https://notes.example/")}, {"webhook[url]", "https://notes.example/"}},
		"no UTF-8":            {{"webhook[url]", "https://notes.example/\xff"}, {"webhook[secret]", shown}},
		"this machine":        {{"webhook", hook(receiver)}},
		"this machine, parts": {{"webhook[url]", receiver}, {"webhook[secret]", shown}},
	} {
		response, _, text := s.posts(mine, append(parts, part{"file", wavFile()}))
		if response.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, "body.webhook") || strings.Contains(text, shown) {
			t.Errorf("%s: %d %s", situation, response.StatusCode, text)
		}
		s.nothing(situation)
	}
	for situation, parts := range map[string][]part{
		"JSON":  {{"webhook", hook(receiver)}, {"file", wavFile()}},
		"parts": {{"webhook[secret]", shown}, {"file", wavFile()}, {"webhook[url]", receiver}},
	} {
		response, j, text := s.posts(s.key, parts)
		if response.StatusCode != http.StatusAccepted || strings.Contains(text, shown) {
			t.Fatalf("%s: %d %s", situation, response.StatusCode, text)
		}
		s.do("POST", "/api/v1/jobs/"+j.ID+"/cancel", "")
		said := <-told
		at, err := strconv.ParseInt(said.header.Get("webhook-timestamp"), 10, 64)
		if err != nil || said.header.Get("webhook-signature") != webhook.Sign(secret, said.header.Get("webhook-id"), time.Unix(at, 0), []byte(said.body)) {
			t.Errorf("%s: the signature is wrong: %v", situation, said.header)
		}
		if !strings.Contains(said.body, `"job.cancelled"`) || !strings.Contains(said.body, j.ID) {
			t.Errorf("%s: told %s", situation, said.body)
		}
	}
	s.private()
}
