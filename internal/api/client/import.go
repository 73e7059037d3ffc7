package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/oklog/ulid/v2"

	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// Import sends a database of the original Scout and returns the job that imports it. If the daemon ends meanwhile, the next one gets it.
//
//	size      of the file in bytes
//	progress  is called with how many bytes were sent; nil for nobody
func (c *Client) Import(ctx context.Context, file io.ReaderAt, size int64, progress func(sent int64)) (j v1.Job, err error) {
	key := strings.ToLower(ulid.Make().String())
	err = c.importOnce(ctx, file, size, key, progress, &j)
	var ended *lostError
	for n := 0; n < mostAgain && (Absent(err) || errors.As(err, &ended)) && c.options.Launch != nil && ctx.Err() == nil; n++ {
		if err = c.options.Launch.start(ctx, c); err == nil {
			err = c.importOnce(ctx, file, size, key, progress, &j)
		}
	}
	return j, err
}

// importOnce sends the form once.
func (c *Client) importOnce(ctx context.Context, file io.ReaderAt, size int64, key string, progress func(int64), j *v1.Job) error {
	body, out := io.Pipe()
	defer body.Close() //nolint:errcheck // it ends the goroutine below
	form := multipart.NewWriter(out)
	go func() { // ended by body
		part, err := form.CreateFormFile("file", "scout.db")
		if err == nil {
			_, err = io.Copy(part, &told{Reader: io.NewSectionReader(file, 0, size), tell: progress})
		}
		if err == nil {
			err = form.Close()
		}
		out.CloseWithError(err)
	}()
	asked := request{method: http.MethodPost, path: "/import", key: key}
	sent, err := http.NewRequestWithContext(ctx, asked.method, c.base+asked.path, body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	sent.Header.Set("Content-Type", form.FormDataContentType())
	sent.Header.Set(v1.HeaderIdempotency, asked.key)
	response, err := c.deliver(ctx, sent, asked)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // what was wanted of it was read
	if err := json.NewDecoder(response.Body).Decode(j); err != nil {
		return lost(err)
	}
	return nil
}

// told says how much of it was read.
type told struct {
	io.Reader
	tell func(int64)
	n    int64
}

// Read implements io.Reader.
func (t *told) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if t.n += int64(n); t.tell != nil {
		t.tell(t.n)
	}
	return n, err
}
