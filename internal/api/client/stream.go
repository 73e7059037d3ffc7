package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// StreamEvent is one of server-sent events. Source: the HTML standard, "Server-sent events".
type StreamEvent struct {
	// ID is its number, 0 if it has none.
	ID   uint64
	Type string
	Data []byte // valid until the next event
}

// maxEventBytes bounds one line of an event: the text of a dictation of many hours.
const maxEventBytes = 16 << 20

// Stream calls each with the events of a path, until it returns false, the stream ends, or ctx does; the error is nil in the first
// two cases. A daemon that ended gives an error for which Lost is true: the stream can be continued with the next daemon.
func (c *Client) Stream(ctx context.Context, path string, each func(StreamEvent) bool) error {
	response, err := c.send(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // what was wanted of it was read
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(make([]byte, 0, 64<<10), maxEventBytes)
	var e StreamEvent
	for lines.Scan() {
		field, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "id":
			e.ID, _ = strconv.ParseUint(string(value), 10, 64) // 0 for what is no number
		case "event":
			e.Type = string(value)
		case "data":
			e.Data = append(e.Data[:0], value...)
		case "":
			if len(lines.Bytes()) == 0 && e.Type != "" && !each(e) {
				return nil
			}
			if len(lines.Bytes()) == 0 {
				e = StreamEvent{Data: e.Data[:0]}
			}
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := lines.Err(); err != nil {
		return lost(err)
	}
	return nil
}

// Lost reports whether an error says that the daemon ended, or is not there: the next one may answer.
func Lost(err error) bool {
	var ended *lostError
	return errors.As(err, &ended) || Absent(err) || errors.Is(err, io.ErrUnexpectedEOF)
}
