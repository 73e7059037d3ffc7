package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai"
	"github.com/scout-speech/scout/internal/realtime"
)

// realtimePath is where realtime sessions are opened.
const realtimePath = openaiPrefix + "/realtime"

// Subprotocols and headers of realtime sessions.
const (
	realtimeProtocol = "realtime"
	betaProtocol     = "openai-beta.realtime-v1"
	betaHeader       = "OpenAI-Beta"
	betaValue        = "realtime=v1"
)

// registerRealtime adds transcription sessions as OpenAI has them.
func (s *Server) registerRealtime(api huma.API) {
	if s.services.Realtime == nil || s.services.Browser == nil {
		return
	}
	query := func(name, what string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: what, Schema: textSchema()}
	}
	s.add(api, stream{
		about: about{
			method: http.MethodGet, path: realtimePath, role: roleClient, summary: "Open a realtime transcription session",
			description: "A WebSocket by OpenAI's protocol, GA or beta. Pages offer realtime and their key as subprotocols, openai-insecure-api-key.KEY. docs/API.md has every message.",
			status:      http.StatusSwitchingProtocols, errors: []scout.Code{scout.CodeNotFound, scout.CodeModelUnknown, scout.CodeModelNotInstalled, scout.CodeDiskLow},
		},
		root: true, lenient: true, parameters: []*huma.Param{query("intent", "transcription"), query("model", "The name of a model"), query("call_id", "Refused: there are no calls")},
		handler: s.realtimeSocket,
	})
	s.add(api, stream{
		about: about{
			method: http.MethodPost, path: realtimePath + "/client_secrets", role: roleClient, secret: true, summary: "Make a key by which a page opens realtime sessions",
			description: "The body may have expires_after, {\"anchor\":\"created_at\",\"seconds\":600}, and the session that is opened. The key exists in memory only.",
			errors:      []scout.Code{scout.CodeRequestTooLarge},
		},
		root: true, lenient: true, answers: []string{"application/json"}, handler: s.clientSecret,
	})
	for _, path := range []string{"/transcription_sessions", "/sessions"} {
		s.add(api, stream{
			about: about{
				method: http.MethodPost, path: realtimePath + path, role: roleClient, secret: true, summary: "Make a key by which a page opens realtime sessions of the beta dialect",
				description: "The body is the session that is opened, flat.",
				errors:      []scout.Code{scout.CodeRequestTooLarge},
			},
			root: true, lenient: true, answers: []string{"application/json"}, handler: s.betaSecret,
		})
	}
}

// errNoSuchSession is why a request opens no transcription session.
func errNoSuchSession(format string, args ...any) error {
	return scout.Errorf(scout.CodeNotFound, format, args...).WithHint("Scout only transcribes: %s?intent=transcription", realtimePath)
}

// talks reports whether a name is that of a model that talks, which clients must name even where they only transcribe.
func talks(model string) bool {
	if slices.Contains(openai.Aliases(), model) {
		return false
	}
	return strings.HasPrefix(model, "gpt-realtime") || strings.HasPrefix(model, "gpt-4o") && strings.Contains(model, "-realtime")
}

// realtimeOrder is the session that a request opens.
func (s *Server) realtimeOrder(r *http.Request) (realtime.Order, error) {
	query, who := r.URL.Query(), callerOf(r.Context())
	order := realtime.Order{Client: clientOf(r.Context())}
	switch intent := query["intent"]; {
	case query.Has("call_id"):
		return order, errNoSuchSession("there is no call")
	case len(intent) > 0 && intent[0] != "" && intent[0] != "transcription":
		return order, errNoSuchSession("there are no sessions with the intent %q", first(intent[0]))
	}
	model := query.Get("model")
	if talks(model) {
		model = ""
	}
	order.Config = realtime.DefaultConfig(model)
	if model != "" {
		if p := s.services.Realtime.Check(r.Context(), order.Config.Ask()); p != nil {
			return order, scout.Errorf(scout.CodeModelUnknown, "%s", p.Message)
		}
	}
	if who.secret != nil {
		order.Beta = who.secret.beta
		order.Config = who.secret.config
		if model != "" {
			order.Config = order.Config.With(model)
		}
	}
	offered := protocols(r)
	order.Beta = order.Beta || slices.Contains(offered, betaProtocol) || slices.Contains(listIn(r.Header, betaHeader), betaValue)
	return order, nil
}

// first bounds what is repeated of a text.
func first(text string) string {
	const most = 40
	if letters := []rune(text); len(letters) > most {
		return string(letters[:most]) + "…"
	}
	return text
}

// jsonBody reads the body of a request of a client of OpenAI, which may be empty.
func jsonBody(r *http.Request, into any) (size int, err error) {
	data, err := io.ReadAll(io.LimitReader(r.Body, maxBodyBytes+1))
	switch {
	case err != nil:
		return 0, scout.Errorf(scout.CodeInvalidArgument, "the body of the request cannot be read to its end")
	case len(data) > maxBodyBytes:
		return 0, scout.Errorf(scout.CodeRequestTooLarge, "the body may have %d bytes", maxBodyBytes)
	case len(strings.TrimSpace(string(data))) == 0:
		return 0, nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return 0, scout.Errorf(scout.CodeInvalidArgument, "the body is no JSON object of this request")
	}
	return len(data), nil
}

// secretRequest is the body of a request for a key of a page.
type secretRequest struct {
	ExpiresAfter *struct {
		Anchor  *string  `json:"anchor"`
		Seconds *float64 `json:"seconds"`
	} `json:"expires_after"`
	Session json.RawMessage `json:"session"`
}

// clientSecret makes a key for sessions of the GA dialect.
func (s *Server) clientSecret(w http.ResponseWriter, r *http.Request) {
	var in secretRequest
	size, err := jsonBody(r, &in)
	lasts := usualSecret
	if after := in.ExpiresAfter; err == nil && after != nil {
		if after.Anchor != nil && *after.Anchor != "created_at" {
			err = openai.Invalid("expires_after.anchor", "expires_after.anchor: want created_at")
		}
		if after.Seconds != nil {
			lasts = time.Duration(min(*after.Seconds, longestSecret.Seconds()+1) * float64(time.Second))
		}
		if lasts < leastSecret || lasts > longestSecret {
			err = openai.Invalid("expires_after.seconds", "expires_after.seconds: want %d to %d", int(leastSecret.Seconds()), int(longestSecret.Seconds()))
		}
	}
	one := &pageSecret{bytes: size, expires: time.Now().Add(lasts)}
	var key string
	if err == nil {
		key, err = s.addSecret(r.Context(), one, in.Session)
	}
	if err != nil {
		writeError(w, err)
		return
	}
	writeOpenAI(w, struct {
		Value     string `json:"value"`
		ExpiresAt int64  `json:"expires_at"`
		Session   any    `json:"session"`
	}{key, one.expires.Unix(), one.config.Body(realtime.NewID("sess_"), one.expires)})
}

// betaSecret makes a key for sessions of the beta dialect.
func (s *Server) betaSecret(w http.ResponseWriter, r *http.Request) {
	var session json.RawMessage
	size, err := jsonBody(r, &session)
	one := &pageSecret{bytes: size, beta: true, expires: time.Now().Add(usualSecret)}
	var key string
	if err == nil {
		key, err = s.addSecret(r.Context(), one, session)
	}
	if err != nil {
		writeError(w, err)
		return
	}
	writeOpenAI(w, one.config.BetaBody(realtime.NewID("sess_"), one.expires, &realtime.Secret{Value: key, ExpiresAt: one.expires.Unix()}))
}

// addSecret makes a key that begins its sessions as a request says.
func (s *Server) addSecret(ctx context.Context, one *pageSecret, session json.RawMessage) (string, error) {
	one.by, one.config = callerOf(ctx), realtime.DefaultConfig("")
	if len(session) > 0 && string(session) != "null" {
		config, err := one.config.Update(session, one.beta, func(ask realtime.Ask) *realtime.Problem { return s.services.Realtime.Check(ctx, ask) })
		var problem *realtime.Problem
		if errors.As(err, &problem) {
			return "", openai.Invalid(strings.TrimPrefix(problem.Param, onlyOfBeta(one.beta)), "%s", problem.Message)
		}
		one.config = config
	}
	return s.secrets.add(one)
}

// onlyOfBeta is what precedes the path of a field that stands in no object session.
func onlyOfBeta(beta bool) string {
	if beta {
		return "session."
	}
	return ""
}

// writeOpenAI answers with JSON that nobody may keep.
func writeOpenAI(w http.ResponseWriter, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		writeError(w, scout.Errorf(scout.CodeInternal, "the answer cannot be written"))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(data, '\n')) // the client may be gone
}
