package testbed

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// lookEvery is how often a condition is looked at.
const lookEvery = 50 * time.Millisecond

// finalError ends a wait.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// Final marks an error of a condition that waiting does not mend.
func Final(err error) error { return finalError{err} }

// Until waits until a condition holds, which it does when holds returns nil. The error says what was waited
// for and what it was like last.
func Until(ctx context.Context, what string, holds func() error) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		err := holds()
		if err == nil {
			return nil
		}
		var final finalError
		if errors.As(err, &final) {
			return fmt.Errorf("waiting until %s: %w", what, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waited until %s: %w; the last look: %w", what, context.Cause(ctx), err)
		}
	}
}
