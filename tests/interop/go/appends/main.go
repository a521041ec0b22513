// Appends measures Tessera's POSIX log beside ours: entries of random bytes, appended by many at
// once, each waiting until its entry is durable and integrated, or until a published and signed
// checkpoint holds it as well. One line of JSON.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"log"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	folder := flag.String("folder", "", "an empty folder for the log")
	concurrent := flag.Int("concurrent", 1, "how many append at once")
	seconds := flag.Float64("seconds", 5, "how long to append")
	size := flag.Int("size", 1024, "bytes of an entry")
	published := flag.Bool("published", false, "wait for a published checkpoint too")
	age := flag.Duration("age", time.Millisecond, "how long a batch waits for more entries")
	flag.Parse()

	secret, _, err := note.GenerateKey(rand.Reader, "log.example/2026")
	check(err)
	signer, err := note.NewSigner(secret)
	check(err)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	driver, err := posix.New(ctx, posix.Config{Path: *folder})
	check(err)
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithBatching(uint(*concurrent), *age).
		// The shortest that the driver takes.
		WithCheckpointInterval(100*time.Millisecond))
	check(err)
	awaiter := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, time.Millisecond)

	one := func() {
		body := make([]byte, *size)
		_, err := rand.Read(body)
		check(err)
		future := appender.Add(ctx, tessera.NewEntry(body))
		if *published {
			_, _, err = awaiter.Await(ctx, future)
		} else {
			_, err = future()
		}
		check(err)
	}
	one()
	waits := make([][]time.Duration, *concurrent)
	started := time.Now()
	end := started.Add(time.Duration(*seconds * float64(time.Second)))
	var group sync.WaitGroup
	for at := range waits {
		group.Go(func() {
			for now := time.Now(); now.Before(end); now = time.Now() {
				one()
				waits[at] = append(waits[at], time.Since(now))
			}
		})
	}
	group.Wait()
	took := time.Since(started)
	all := slices.Sorted(slices.Values(slices.Concat(waits...)))
	ms := func(part float64) float64 {
		return float64(all[int(part*float64(len(all)-1))].Microseconds()) / 1000
	}
	check(shutdown(ctx))
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"entries": len(all), "per_second": float64(len(all)) / took.Seconds(),
		"p50_ms": ms(0.5), "p99_ms": ms(0.99),
	}))
}
