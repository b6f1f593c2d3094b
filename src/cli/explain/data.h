/* data-: EXPLAIN(id, what, why, rule, imitated, wireshark, example).  See ../explain.c. */
EXPLAIN("data-no-ack-flag",
        "A segment of an open connection has no ACK bit.",
        "Its receiver drops it; the text is lost until repeated.",
        "ACK is always set once a connection is established (3.1, 3.10.7.4 fifth).",
        "A scanner's segment with the same ports.",
        "`tcp.flags.ack == 0 && tcp.flags.syn == 0 && tcp.flags.reset == 0`",
        "client  PSH  seq 101  len 5   <- no ACK")
EXPLAIN("data-ack-unsent",
        "An end acknowledges text that its peer has not sent.",
        "Broken middlebox, optimistic ACKs, or a confused stack; the peer answers each one.",
        "An ACK above SND.NXT is answered with an ACK and dropped (3.10.7.4 fifth).",
        "Text that the capture missed: so the peer must reject it, and a capture at the peer is needed for more than a note.",
        "`tcp.analysis.ack_lost_segment`",
        "server  PSH,ACK  seq 301  len 10\nclient  ACK      ack 400   <- 311 is all there is\nserver  ACK      seq 311")
EXPLAIN("data-ts-missing",
        "A segment lacks the timestamps that both ends had agreed on.",
        "The receiver may drop it; often a sign that somebody else sent it.",
        "Once agreed they are on every segment but resets (RFC 7323 3.2).",
        "A box that strips options; an injected segment.",
        "`!tcp.options.timestamp.tsval && tcp.flags.syn == 0 && tcp.flags.reset == 0`",
        "client  PSH,ACK  seq 101  (no TSopt)")
EXPLAIN("data-ts-regress",
        "Newer text carries an older timestamp.",
        "PAWS drops it.",
        "The timestamp clock never goes back (RFC 7323 5.4).",
        "A delayed copy: IP identifications must show that it was built later. A load balancer that moved the connection.",
        "`tcp.options.timestamp.tsval` beside `ip.id`, as columns.",
        "client  seq 101  TSval 900  id 3\nclient  seq 111  TSval 400  id 4   <- back in time")
