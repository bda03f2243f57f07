package serve

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// A slow client is waited for as long as it takes something; one that takes nothing is not.
func TestOutputGoesOnAsLongAsTheClientTakesSome(t *testing.T) {
	const size, piece = 2 * outHigh, 16 << 10
	tests := map[string]struct {
		pause time.Duration // before each piece that the client reads
		want  error
	}{
		"a slow client gets it all":               {2 * time.Second, nil},
		"a client that takes nothing is given up": {stuckAfter + time.Second, os.ErrDeadlineExceeded},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				defer ours.Close()
				var o outbox
				o.init(ours)
				got, done := 0, make(chan struct{})
				go func() {
					defer close(done)
					b := make([]byte, piece)
					for {
						<-time.After(tc.pause)
						n, err := theirs.Read(b)
						got += n
						if err != nil {
							return
						}
					}
				}()
				err := o.writeAll(make([]byte, size))
				ours.Close()
				<-done
				if !errors.Is(err, tc.want) {
					t.Errorf("after %d of %d bytes: %v, want %v", got, size, err, tc.want)
				}
			})
		})
	}
}
