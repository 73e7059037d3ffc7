package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/scout-speech/scout/internal/api"
)

// call is an operation that can be asked for.
type call struct {
	operation, method, path string
	example                 api.Example
}

// calls are all operations of the document in a fixed order, but for those that would ask other machines, and the WebSocket, which speaks no HTTP.
func (d *openAPI) calls() (all []call) {
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			id := d.Paths[path][method].OperationID
			if e, found := api.OperationExample(id); found && id != "post-webhooks-id-test" && id != "get-live" && id != "get-v-realtime" {
				all = append(all, call{id, method, path, e})
			}
		}
	}
	return all
}

// orderOfCalls makes calls in the order that data says, with ids that earlier answers gave, and looks at every answer.
type orderOfCalls struct {
	*served
	t    *testing.T
	d    *openAPI
	ids  []string
	data []byte
}

// next is the next choice among n.
func (o *orderOfCalls) next(n int) int {
	if len(o.data) == 0 {
		return 0
	}
	b := int(o.data[0])
	o.data = o.data[1:]
	return b % n
}

// make makes one call.
func (o *orderOfCalls) make(c call) {
	path := strings.NewReplacer("{id}", o.ids[o.next(len(o.ids))], "{version}", fmt.Sprint(1+o.next(3)), "{n}", fmt.Sprint(1+o.next(2)), "{link}", "none").Replace(c.path)
	if o.next(3) > 0 && c.example.Query != "" {
		path += "?" + c.example.Query
	} else if c.method == "delete" && o.next(3) == 0 {
		path += "?purge=true"
	}
	body := []string{c.example.Body, c.example.Body, "{}", "null", ""}[o.next(5)]
	ctx, cancel := context.WithCancel(o.t.Context())
	defer cancel() // a stream does not end by itself
	request, err := http.NewRequestWithContext(ctx, strings.ToUpper(c.method), "http://scout"+path, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, header := range c.example.Headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	if c.method == "post" && o.next(4) == 0 {
		request.Header.Set("Idempotency-Key", fmt.Sprint("key ", o.next(2)))
	}
	response, err := o.client.Transport.RoundTrip(request)
	if err != nil {
		o.t.Fatalf("%s %s: %v", c.method, path, err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read as far as it matters
	o.look(c, path+" "+body, response)
}

// look compares an answer with the document.
func (o *orderOfCalls) look(c call, what string, response *http.Response) {
	status := fmt.Sprint(response.StatusCode)
	answer, described := o.d.Paths[c.path][c.method].Responses[status]
	if !described {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		o.t.Errorf("%s %s: %s is not in the document: %s", c.method, what, status, text)
		return
	}
	if response.StatusCode >= 500 {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		o.t.Errorf("%s %s: %s %s", c.method, what, status, text)
		return
	}
	if location := response.Header.Get("Location"); location != "" {
		o.know(location[strings.LastIndexByte(location, '/')+1:])
	}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") || c.method == "head" {
		return
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		o.t.Errorf("%s %s: %v", c.method, what, err)
	}
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		return
	}
	if answer.Content["application/json"].Schema != nil {
		if err := o.d.validate(c.path, c.method, status, string(text)); err != nil {
			o.t.Errorf("%s %s: %s does not fit the document: %v\n%s", c.method, what, status, err, text)
		}
	}
	var value any
	if json.Unmarshal(text, &value) == nil {
		o.learn(value)
	}
}

// learn keeps the ids of an answer.
func (o *orderOfCalls) learn(value any) {
	switch value := value.(type) {
	case []any:
		for _, v := range value {
			o.learn(v)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			if id, is := value[name].(string); is && (name == "id" || strings.HasSuffix(name, "_id")) {
				o.know(id)
				continue
			}
			o.learn(value[name])
		}
	}
}

// know keeps an id, if it can stand in a path.
func (o *orderOfCalls) know(id string) {
	if id != "" && len(o.ids) < 200 && !slices.Contains(o.ids, id) && !strings.ContainsAny(id, "/?#% ") {
		o.ids = append(o.ids, id)
	}
}

// FuzzOrderOfCalls calls the operations in any order, with ids of things that are there, gone, or of another kind. No answer is a failure
// of the server or one that the document does not know, and nothing is left behind: no goroutine, and no file beside the data.
func FuzzOrderOfCalls(f *testing.F) {
	for seed := range uint64(6) {
		r := rand.NewChaCha8([32]byte{byte(seed)})
		data := make([]byte, 600)
		_, _ = r.Read(data) // it does not fail
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 2000 // some 400 calls
		temporary := t.TempDir()
		t.Setenv("TMPDIR", temporary)
		before := goleak.IgnoreCurrent()
		s := serveIn(t, t.TempDir(), exemplary)
		s.record(exampleID)
		s.do("POST", "/api/v1/transcripts", `{"recording":"`+string(exampleID)+`",`+keptTranscript())
		d := s.openAPI()
		all := d.calls()
		o := &orderOfCalls{served: s, t: t, d: d, ids: []string{"none", string(exampleID)}, data: bytes.Clone(data[:min(len(data), most)])}
		for len(o.data) > 0 && !t.Failed() {
			o.make(all[o.next(len(all))])
		}
		s.close()
		goleak.VerifyNone(t, before)
		left, err := os.ReadDir(temporary)
		if err != nil || len(left) > 0 {
			t.Errorf("left in the folder for temporary files: %v, %v", left, err)
		}
	})
}
