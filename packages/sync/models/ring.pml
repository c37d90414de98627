/*
 * src/mpsc-ring.ts and src/ring.ts: the life of an MpscRing with two producers and one consumer, closed by a fourth process at any time. A producer
 * that finds the ring full sleeps. With -DCALLBACK the consumer waits by callback. With -DTIMED the second producer and the consumer wait with a
 * deadline: the producer then gives up, the consumer looks again. With -DLATE it is closed
 * when the producers have ended only: so the close wakes nobody for whom a wake-up was lost before.
 *
 * Checked: the consumer gets every record that push() has accepted, once, complete and in the order of its producer, and learns the end; nobody
 * sleeps for ever (else spin reports an invalid end state).
 */
#define PROCESSES 4
#define PLACES 2
#ifdef CALLBACK
#define CONSUMER_PLACE 1
#else
#define CONSUMER_PLACE 0
#endif
#define PRODUCER 1
#ifdef CALLBACK
#undef PLACES
#define PLACES 3
#undef PRODUCER
#define PRODUCER 2
#endif
#ifndef SPURIOUS
#define SPURIOUS 1
#endif
#include "parking.inc"

#define CAPACITY 2

byte head;                      /* the word HEAD: records times 2, plus 1 when closed */
byte tail;                      /* the word TAIL */
byte marks[CAPACITY];
byte records[CAPACITY];
byte accepted, received;
byte last[2];
byte ended;

#ifdef TIMED
#define DEADLINE true
#else
#define DEADLINE false
#endif

#define CLOSED(word) ((word) & 1)

proctype Producer(byte me; byte count; bool timed)
{
	byte seen, popped, done, expected;
	bool expired;

	do
	:: done == count -> break
	:: else ->
		popped = tail;                                          /* [mpsc:push-tail] */
		atomic {                                                /* [mpsc:push-head] */
			seen = head;
			if
			:: CLOSED(seen) -> break
			:: !CLOSED(seen) && (seen >> 1) - popped >= CAPACITY -> seen = 0; popped = 0; goto no_space
			:: else -> popped = 0
			fi
		}
		atomic {                                                /* [mpsc:reserve] */
			if
			:: head == seen -> head = seen + 2; done++; accepted++
			:: else -> seen = 0; goto again
			fi
		}
		records[(seen >> 1) % CAPACITY] = me * 10 + done;
		atomic { marks[(seen >> 1) % CAPACITY] = (seen >> 1) + 1; seen = 0 }    /* [mpsc:complete] */
#ifdef CALLBACK
		park_wake_all(0);
#endif
		park_wake_all(CONSUMER_PLACE);
		goto again;
no_space:
		/* waitForSpace() */
		park_enter(PRODUCER);
		do
		:: park_sequence(PRODUCER, expected);
			popped = tail;                                  /* [ring:space-tail] */
			atomic {                                        /* [ring:space-head] */
				if
				:: CLOSED(head) || (head >> 1) - popped < CAPACITY -> popped = 0; expected = 0; expired = false; break
				:: else -> popped = 0
				fi
			}
			/* After the deadline there has been a last look. */
			if
			:: expired -> expected = 0; break
			:: else
			fi;
			park_sleep(PRODUCER, me, expected, timed, expired)
		od;
		park_leave(PRODUCER);
		if
		:: expired -> break
		:: else
		fi;
again:
		skip
	od;
	ended++
}

proctype Consumer(byte me)
{
	byte expected, popped, record;
	bool expired;

	do
	:: popped = tail;                                               /* [mpsc:pop-tail] */
		if
		:: atomic { marks[popped % CAPACITY] == popped + 1 };   /* [mpsc:pop-mark] */
			atomic {
				record = records[popped % CAPACITY];
				assert(record == (record / 10) * 10 + last[record / 10] + 1);
				last[record / 10]++;
				received++;
				record = 0
			}
			atomic { tail = popped + 1; popped = 0 }        /* [mpsc:pop] */
			park_wake_all(PRODUCER)
		:: atomic { marks[popped % CAPACITY] != popped + 1 -> popped = 0 };     /* [mpsc:pop-mark] */
			if
			:: atomic { CLOSED(head) && tail == (head >> 1) -> goto drained }       /* [ring:drained-head] [ring:drained-tail] */
			:: atomic { !(CLOSED(head) && tail == (head >> 1)) }
			fi;
			park_enter(CONSUMER_PLACE);
			do
			:: park_sequence(CONSUMER_PLACE, expected);
				popped = tail;                          /* [mpsc:ready-tail] */
				if
				:: atomic { marks[popped % CAPACITY] == popped + 1 -> popped = 0; expected = 0; break } /* [mpsc:ready-mark] */
				:: atomic { marks[popped % CAPACITY] != popped + 1 -> popped = 0 }      /* [mpsc:ready-mark] */
				fi;
				/* The head changes no more once it is closed, and the tail is this process's own. */
				if
				:: atomic { CLOSED(head) && tail == (head >> 1) -> expected = 0; break }        /* [ring:drained-head] [ring:drained-tail] */
				:: atomic { !(CLOSED(head) && tail == (head >> 1)) }
				fi;
				/* As above; a consumer that gives up comes again. */
				if
				:: expired -> expected = 0; break
				:: else
				fi;
				park_sleep(CONSUMER_PLACE, me, expected, DEADLINE, expired)
			od;
			expired = false;
			park_leave(CONSUMER_PLACE)
		fi
	od;
drained:
	ended++
}

proctype Closer(byte me)
{
#ifdef LATE
	ended == 2;
#endif
	head = head | 1;                                                /* [ring:close] */
#ifdef CALLBACK
	park_wake_all(0);
#endif
	park_wake_all(CONSUMER_PLACE);
	park_wake_all(PRODUCER);
	ended++
}

init {
	atomic {
		run Producer(0, 2, false);
		run Producer(1, 1, DEADLINE);
		run Consumer(2);
		run Closer(3)
	}
	ended == 4;
	assert(accepted == received)
}
