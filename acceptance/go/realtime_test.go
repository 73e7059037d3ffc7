package acceptance

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/realtime"
)

// TestRealtimeConnect sends the clip over a WebSocket and reads its text, plain and over TLS.
func TestRealtimeConnect(t *testing.T) {
	_, _, _, clip := place(t)
	data := pcm(t, clip)
	for name, client := range clients(t) {
		t.Run(name, func(t *testing.T) {
			ctx := limited(t)
			conn, err := client.Realtime.Connect(ctx, realtime.RealtimeConnectionOptions{}, option.WithQuery("intent", "transcription"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			send := func(event any) {
				t.Helper()
				raw, err := json.Marshal(event)
				if err == nil {
					err = conn.SendRaw(ctx, raw)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			send(map[string]any{"type": "session.update", "session": map[string]any{"type": "transcription", "audio": map[string]any{"input": map[string]any{"turn_detection": nil, "transcription": map[string]any{"model": "gpt-4o-transcribe"}}}}})
			for at := 0; at < len(data); at += 4800 {
				send(map[string]any{"type": "input_audio_buffer.append", "audio": base64.StdEncoding.EncodeToString(data[at:min(at+4800, len(data))])})
			}
			send(map[string]any{"type": "input_audio_buffer.commit"})
			for {
				event, err := conn.Recv(ctx)
				if err != nil {
					t.Fatal(err)
				}
				switch event.Type {
				case "error":
					t.Fatal(event.RawJSON())
				case "conversation.item.input_audio_transcription.completed":
					said(t, event.AsConversationItemInputAudioTranscriptionCompletedEvent().Transcript)
					return
				}
			}
		})
	}
}
