package pulse

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// message returns a message of the protocol.
func message(command, tag uint32, a arguments) []byte {
	body := append(arguments(nil).number(command).number(tag), a...)
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = binary.BigEndian.AppendUint32(b, controlChannel)
	return append(append(b, make([]byte, headerBytes-8)...), body...)
}

// against returns a connection to a server that reads one request, answers with these bytes and goes away.
func against(t *testing.T, reply []byte) *connection {
	t.Helper()
	ours, servers := net.Pipe()
	c := newConnection(ours)
	t.Cleanup(c.close)
	go func() { // ends with the connection
		header := make([]byte, headerBytes)
		if _, err := io.ReadFull(servers, header); err == nil {
			_, _ = io.CopyN(io.Discard, servers, int64(binary.BigEndian.Uint32(header))) // what was asked does not matter
			_, _ = servers.Write(reply)                                                  // the other side may have refused it
		}
		_ = servers.Close() // the end of the test's server
	}()
	return c
}

// oneSource is a source as version 15 of the protocol describes it.
func oneSource() arguments {
	a := arguments(nil).number(7).text("mic").text("The microphone")
	a = append(a, tagSample, 3, 2, 0, 0, 0xbb, 0x80, tagChannelMap, 2, 1, 2)
	a = append(a.number(1), tagVolumes, 2, 0, 0, 0, 1, 0, 0, 0, 1)
	a = append(a.truth(false).number(anyIndex), tagNoText, tagDuration, 0, 0, 0, 0, 0, 0, 0, 9)
	a = append(a.text("module").number(0).properties("key", "value"), tagDuration, 0, 0, 0, 0, 0, 0, 0, 9, tagVolume, 0, 0, 0, 1)
	return a.number(suspended).number(1).number(1)
}

func TestSourcesAreRead(t *testing.T) {
	t.Parallel()
	all, err := against(t, message(commandReply, 0, append(oneSource(), oneSource()...))).sources()
	want := source{index: 7, id: "mic", name: "The microphone", format: 3, channels: 2, rateHz: 48_000, state: suspended}
	if err != nil || len(all) != 2 || all[0] != want || all[1] != want {
		t.Errorf("%+v, %v; want %+v twice", all, err, want)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	whole := message(commandReply, 0, oneSource())
	huge := append([]byte{0xff, 0xff, 0xff, 0xff}, make([]byte, headerBytes-4)...)
	denied := message(commandError, 0, arguments(nil).number(1))
	broken := message(commandReply, 0, oneSource()[:40])
	text := message(commandReply, 0, arguments(nil).text("no number"))
	for name, reply := range map[string][]byte{
		"nothing": nil, "half a header": whole[:7], "half a message": whole[:60], "a message of 4 GiB": huge,
		"a refusal": denied, "half a source": broken, "a text for a number": text,
		"no command": message(commandReply, 0, nil)[:headerBytes], "another's answer": message(commandReply, 99, oneSource()),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := against(t, reply)
			began := time.Now()
			all, err := c.sources()
			if err == nil {
				t.Errorf("%+v", all)
			}
			if time.Since(began) > requestWithin/2 {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
			if denied := new(serverError); (name == "a refusal") != errors.As(err, denied) {
				t.Errorf("%v", err)
			}
			<-c.dead
		})
	}
}

// Whatever a server says, reading it comes to an end, and to no more than it said.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(oneSource()))
	f.Add([]byte(append(oneSource(), oneSource()[:50]...)))
	f.Add([]byte{tagProperties, tagText, 'k', 0, tagNumber, 0xff, 0xff, 0xff, 0xff, tagBytes, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, answer []byte) {
		v := values{rest: answer}
		read := 0
		for v.more() {
			s := readSource(&v)
			read += len(s.id) + len(s.name)
		}
		if read > len(answer) {
			t.Errorf("%d bytes of text in %d bytes", read, len(answer))
		}
		v = values{rest: answer}
		for v.more() {
			v.skip(tagText, tagNumber, tagSample, tagTrue, tagDuration, tagChannelMap, tagVolumes, tagProperties, tagVolume)
		}
	})
}
