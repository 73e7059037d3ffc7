package api

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
)

// ping finds out whether the client is still there.
func (l *liveSocket) ping() {
	tick := time.NewTicker(l.server.times.Ping)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.alive.Done():
			return
		}
		ctx, cancel := context.WithTimeout(l.alive, l.server.times.Pong)
		err := l.conn.Ping(ctx)
		cancel()
		if err != nil {
			_ = l.under.Close() // the reader sees it
			return
		}
	}
}

// watch cuts off a client that takes nothing while the server stops, or what let it in has ended.
func (l *liveSocket) watch(ctx context.Context) {
	select {
	case <-l.server.ending:
	case <-ctx.Done():
	case <-l.alive.Done():
		return
	}
	timer := time.NewTimer(closesWithin)
	defer timer.Stop()
	select {
	case <-timer.C:
		_ = l.under.Close() // whoever writes sees it
	case <-l.alive.Done():
	}
}

// close says why the connection ends, and ends it.
func (l *liveSocket) close(why error) {
	close(l.over)
	force := time.AfterFunc(closesWithin, func() { _ = l.under.Close() }) // the client may neither read nor answer
	defer force.Stop()
	code, status := websocket.StatusNormalClosure, ""
	switch {
	case errors.Is(why, errLeft):
		status = "left"
		_ = l.conn.CloseNow() // it may be closed already
	case errors.Is(why, errDone):
		_ = l.conn.Close(code, "") // the client may have gone
	default:
		code = closeCode(why)
		_, body := v1.ErrorOf(why)
		_ = l.send(v1.LiveFailure{Type: v1.LiveTypeError, Error: body.Error}) // as above
		_ = l.conn.Close(code, string(scout.CodeOf(why)))                     // as above
		_ = l.server.options.Failures.Count(why)                              // it returns its argument
	}
	l.server.metrics.sockets.WithLabelValues(cmp.Or(status, strconv.Itoa(int(code)))).Inc()
	attributes := []any{slog.Int("status", int(code)), slog.String("client", l.caller.label())}
	if l.session != nil {
		attributes = append(attributes, slog.String(recording.KeyRecording, string(l.session.ID())))
	}
	if !errors.Is(why, errDone) && !errors.Is(why, errLeft) {
		attributes = append(attributes, slog.String(observe.KeyCode, string(scout.CodeOf(why))), slog.String(observe.KeyError, scout.Plain(why)))
	}
	l.server.log.Info(eventDisconnected, attributes...)
}

// eventDisconnected is logged when a connection of sound ends.
const eventDisconnected = "live_disconnected"

// closeCode is the status with which a connection is closed. Source: RFC 6455, 7.4.1, and the registry of IANA for 1012 and 1013.
func closeCode(why error) websocket.StatusCode {
	switch code := scout.CodeOf(why); {
	case errors.Is(why, errServerStops), code == scout.CodeUnavailable:
		return websocket.StatusServiceRestart
	case code == scout.CodeInternal:
		return websocket.StatusInternalError
	case slices.Contains([]scout.Code{scout.CodeDiskFull, scout.CodeDiskLow, scout.CodeDiskStalled, scout.CodeWriteFailed, scout.CodeRecordingLost}, code),
		scout.ClassOf(why) == scout.Transient:
		return websocket.StatusTryAgainLater
	}
	return websocket.StatusPolicyViolation
}
