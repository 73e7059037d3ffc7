package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// Bounds of how often a level is sent. A device delivers a block every 20 ms.
const (
	mostHz    = 50
	defaultHz = 20
)

// registerLevel adds what tells how loud a device is.
func (s *Server) registerLevel(api huma.API) {
	failures := []scout.Code{scout.CodeDeviceNotFound, scout.CodeNoDevice, scout.CodeDeviceUnavailable, scout.CodeDevicePermission, scout.CodeDeviceTimeout, scout.CodeSoundServer}
	operation(api, about{
		method: http.MethodGet, path: "/recorder/level", summary: "Get the level of a device",
		description: "How loud the device of the recording is, or another one. A device that is not being recorded is open only for this request.",
		errors:      failures,
	}, func(ctx context.Context, in *struct {
		Device string `query:"device" doc:"Its id, its name, or a part of one; the one that is recorded from or would be if it is left out"`
	},
	) (*body[v1.Level], error) {
		var reading v1.Level
		err := s.services.Levels(ctx, in.Device, time.Second/defaultHz, func(l v1.Level) bool { reading = l; return false })
		return answer(reading), err
	})
	least, most := 1.0, float64(mostHz)
	s.add(api, stream{
		about: about{
			method: http.MethodGet, path: "/recorder/level/stream", summary: "Follow the level of a device",
			description: "Server-sent events of the type level, without numbers. A device that is not being recorded is open only while somebody listens. A client that reads slowly misses levels.",
			errors:      append(failures, scout.CodeRateLimit),
		},
		parameters: []*huma.Param{
			{Name: "device", In: "query", Description: "As for GET /recorder/level", Schema: textSchema()},
			{Name: "hz", In: "query", Description: "How many levels a second", Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most, Default: defaultHz}},
		},
		answers: []string{eventStream}, long: always, handler: s.levels,
	})
}

func (s *Server) levels(w http.ResponseWriter, r *http.Request) {
	hz := defaultHz
	if text := r.URL.Query().Get("hz"); text != "" {
		var err error
		if hz, err = strconv.Atoi(text); err != nil || hz < 1 || hz > mostHz {
			writeError(w, unprocessable("query.hz", "%q is not a number from 1 to %d", text, mostHz))
			return
		}
	}
	ctx, cancel := context.WithCancel(r.Context())
	sent := make(chan passing, 2)
	ended := make(chan error, 1)
	go func() { // ended by cancel; waited for below
		defer close(sent)
		ended <- s.options.Failures.Guard("api", func() error {
			return s.services.Levels(ctx, r.URL.Query().Get("device"), time.Second/time.Duration(hz), func(l v1.Level) bool {
				select {
				case sent <- passing{kind: "level", body: l}:
				default:
					s.metrics.dropped.WithLabelValues("level").Inc()
				}
				return ctx.Err() == nil
			})
		})
	}()
	defer func() {
		cancel()
		for range sent { // until the device is closed
		}
	}()
	first, open := <-sent // before the answer begins, so that a device that is not there is an error
	if !open {
		if err := <-ended; err != nil {
			writeError(w, err)
			return
		}
		writeError(w, scout.Errorf(scout.CodeDeviceLost, "the device delivered nothing"))
		return
	}
	s.send(w, r, feed{kind: "level", endless: true, first: []passing{first}, passing: sent}) // it is not put back: the device may have ended meanwhile
}
