%% @doc What is measured, between whom, and what shall come out.
-module(bench_cases).

-export([all/0, with_aims/0, beside/1]).

-export_type([kase/0, entry/0, row/0, metric/0, aim/0]).

-type kase() :: #{name := string(),
                  unit := per_second | mib_per_second,
                  %% beside what its aims are for
                  loads := [bench_machine:load()],
                  entries := [entry()],
                  rows := [row()],
                  rounds => pos_integer(),
                  %% at least so many for one measurement
                  seconds => float()}.

%% Answer: how many bytes of the helper's answers a unit needs, for `bench_served'; where there is none the helper is not asked.
%% Fresh: in a helper that has just started.
-type entry() :: #{label := atom(), contender := atom(), answer := none | number(), fresh => true,
                   run := fun((bench_api:api(), Seconds :: float()) -> bench_run:result())}.

%% A row of the table: one figure of one contender, to that of another or as it is.
-type row() :: #{work := string(), metric := metric(), ours := atom(), theirs := atom() | none, aim := aim()}.

-type metric() :: rate | cpu | vm_cpu | mean | p50 | growth | kib | switches.

-type aim() :: none | {at_least | at_most, number()}.

-define(SMALL, 100).

-spec all() -> [kase()].
all() ->
    lists:append([calls(), pingpongs(), streams(), bulk(), connections(), waiters(), spins(), [remote()], ttest(),
                  prototype()]).

%% @doc Only rows that have an aim, and who is needed for them; but none that are close to their aim, which take many rounds.
-spec with_aims() -> [kase()].
with_aims() ->
    [Case#{entries := [Entry || #{label := Label} = Entry <- Entries, is_needed(Label, Aimed)], rows := Aimed}
     || #{entries := Entries, rows := Rows} = Case <- all(), not is_map_key(rounds, Case),
        Aimed <- [[Row || #{aim := Aim} = Row <- Rows, Aim =/= none]], Aimed =/= []].

%% @doc What gosocket does in each of these, beside itself in another form: the ratios are those of the form.
-spec beside([kase()]) -> [kase()].
beside(Cases) ->
    [Case#{entries := [Entry, Entry#{label := gosocket_form, contender := gosocket_form}],
           rows := lists:usort([Row#{ours := gosocket_form, theirs := gosocket, aim := none} || #{ours := gosocket} = Row <- Rows])}
     || #{entries := Entries, rows := Rows} = Case <- Cases, #{label := gosocket, contender := gosocket} = Entry <- Entries].

-spec is_needed(atom(), [row()]) -> boolean().
is_needed(Label, Rows) ->
    lists:any(fun(#{ours := Ours, theirs := Theirs}) -> Label =:= Ours orelse Label =:= Theirs end, Rows).

%% ---- Calls that do not wait

-spec calls() -> [kase()].
calls() ->
    Answer = bench_call:answer(),
    Latency = fun bench_call:latency/2,
    Pipe = fun(Spin) -> fun(_Api, Seconds) -> bench_call:pipe_latency(Spin, Seconds) end end,
    Paced = fun bench_call:paced/2,
    Option = fun bench_call:option/2,
    [kase("call-1",
          [entry(pipe, none, Pipe(on)), served(gosocket, Answer, Latency), entry(echo, Latency), entry(nif, Latency)],
          [row("sockname, one caller: p50", p50, pipe, {at_most, 1.5}),
           row("sockname, one caller: mean", mean, pipe, {at_most, 1.8}),
           row("sockname, one caller: mean", mean, echo, none),
           row("sockname, one caller: mean", mean, nif, none)]),
     kase("call-1-off",
          [entry(pipe_off, none, Pipe(off)), served(gosocket_off, Answer, Latency)],
          [(row("sockname, one caller, no spins: mean", mean, pipe_off, none))#{ours := gosocket_off}])]
        ++ [kase("calls-" ++ integer_to_list(N),
                 [entry(lane, none, fun(_Api, Seconds) -> bench_call:lane_rate(on, N, Seconds) end),
                  served(gosocket, Answer, rate(N)), entry(echo, rate(N)), entry(nif, rate(N))],
                 [row(text("sockname, ~b callers", [N]), rate, lane, {at_least, Aim}),
                  row(text("sockname, ~b callers", [N]), rate, echo, none),
                  row(text("sockname, ~b callers", [N]), rate, nif, none)])
            || {N, Aim} <- [{8, 0.45}, {64, 0.5}, {1000, 0.65}]]
        ++ [(kase("call-paced",
                  [entry(pipe_off, none, fun(_Api, Seconds) -> bench_call:pipe_paced(off, Seconds) end),
                   served(gosocket, Answer, Paced), served(gosocket_off, Answer, Paced)],
                  [row("sockname every 1 to 2 ms: CPU of the VM", vm_cpu, pipe_off, {at_most, 1.5}),
                   row("sockname every 1 to 2 ms: CPU", cpu, pipe_off, none),
                   row("sockname every 1 to 2 ms: CPU", cpu, gosocket_off, none)]))#{seconds => 1.0},
            (kase("call-busy",
                  [entry(pipe_off, none, Pipe(off)), served(gosocket, Answer, Latency)],
                  [row("sockname beside 2 busy Erlang processes: p50", p50, pipe_off, {at_most, 1.1})]))#{loads := [busy]},
            (kase("call-threads",
                  [entry(pipe_off, none, Pipe(off)), served(gosocket, Answer, Latency)],
                  [row("sockname beside 2 busy threads: mean", mean, pipe_off, {at_most, 2.0})]))#{loads := [threads]},
            %% the VM answers this one itself
            kase("option",
                 [entry(nif, Option), entry(gosocket, Option)],
                 [row("getopt(S, otp, rcvbuf)", mean, nif, {at_most, 5.0})])].

-spec rate(pos_integer()) -> fun((bench_api:api(), float()) -> bench_run:result()).
rate(Callers) -> fun(Api, Seconds) -> bench_call:rate(Api, Callers, Seconds) end.

%% ---- Ping-pong

%% Two sends and two receives a round trip.
-spec pingpongs() -> [kase()].
pingpongs() ->
    Answer = exchanged(),
    Datagram = 2 * bench_served:answer_size([ok, {ok, {#{family => inet, port => 4711, addr => {127, 0, 0, 1}},
                                                 binary:copy(<<"x">>, ?SMALL)}}]),
    [kase(text("pingpong-~b", [N]),
          [entry(nif, tcp(N)), served(gosocket, Answer, tcp(N)), entry(gen_tcp, tcp(N)), entry(gen_tcp_active, tcp(N))],
          [row(text("TCP ping-pong, ~s", [pairs(N)]), rate, nif, {at_least, Rate})]
          ++ [row(text("TCP ping-pong, ~s: CPU", [pairs(N)]), cpu, nif, {at_most, 0.75}) || N > 1]
          ++ [row(text("TCP ping-pong, ~s", [pairs(N)]), rate, Other, none) || Other <- [gen_tcp, gen_tcp_active]])
     || {N, Rate} <- [{1, 1.0}, {8, 1.3}, {64, 1.25}, {512, 1.2}]]
        ++ [kase(text("udp-~b", [N]),
                 [entry(nif, udp(N)), served(gosocket, Datagram, udp(N))],
                 [row(text("UDP ping-pong, ~s", [pairs(N)]), rate, nif, {at_least, Rate}),
                  row(text("UDP ping-pong, ~s: CPU", [pairs(N)]), cpu, nif, none)])
            || {N, Rate} <- [{1, 1.0}, {64, 1.2}]]
        ++ [kase(text("select-~b", [N]),
                 [entry(nif, select(N)), served(gosocket, Answer, select(N))],
                 [row(text("TCP ping-pong by nowait and select, ~s", [pairs(N)]), rate, nif, {at_least, 0.8})])
            || N <- [1, 64]]
        ++ [kase("udp-shared-8",
                 [entry(nif, shared()), served(gosocket, Datagram, shared())],
                 [row("8 receivers on one UDP socket", rate, nif, none)])].

%% The helper's answers of a round trip over TCP.
-spec exchanged() -> pos_integer().
exchanged() -> 2 * bench_served:answer_size([ok, {ok, binary:copy(<<"x">>, ?SMALL)}]).

-spec tcp(pos_integer()) -> fun((bench_api:api(), float()) -> bench_run:result()).
tcp(Pairs) -> fun(Api, Seconds) -> bench_case:pingpong(Api, Pairs, ?SMALL, Seconds) end.

-spec udp(pos_integer()) -> fun((bench_api:api(), float()) -> bench_run:result()).
udp(Pairs) -> fun(Api, Seconds) -> bench_case:pingpong_udp(Api, Pairs, ?SMALL, Seconds) end.

-spec select(pos_integer()) -> fun((bench_api:api(), float()) -> bench_run:result()).
select(Pairs) -> fun(Api, Seconds) -> bench_case:pingpong_select(Api, Pairs, ?SMALL, Seconds) end.

-spec shared() -> fun((bench_api:api(), float()) -> bench_run:result()).
shared() -> fun(Api, Seconds) -> bench_case:udp(Api, 8, ?SMALL, Seconds) end.

%% ---- Many messages on one connection

-spec streams() -> [kase()].
streams() ->
    Burst = fun(Ahead) -> fun(Api, Seconds) -> bench_stream:burst(Api, Ahead, Seconds) end end,
    Bodies = fun(Ahead, Size) -> fun(Api, Seconds) -> bench_stream:bodies(Api, Ahead, Size, Seconds) end end,
    [kase("burst",
          [entry(nif, Burst(default)), entry(gosocket, Burst(default)), entry(gosocket_sends, gosocket, Burst(sends)),
           entry(gosocket_plain, gosocket, Burst(off)), entry(gen_tcp, Burst(default)),
           entry(floor, none, fun(_Api, Seconds) -> bench_floor:burst(Seconds) end)],
          [row("50 messages, 50 answers", rate, nif, {at_least, 0.3}),
           (row("50 messages, 50 answers, send-ahead", rate, nif, {at_least, 0.7}))#{ours := gosocket_sends},
           floor_row("50 messages, 50 answers"),
           row("50 messages, 50 answers", rate, gosocket_plain, none),
           row("50 messages, 50 answers", rate, gen_tcp, none),
           row("50 messages, 50 answers: CPU", cpu, nif, none)])]
        ++ [(kase(text("bodies-~b", [Size]),
                  [entry(gosocket_plain, gosocket, Bodies(off, Size)), entry(gosocket, Bodies(default, Size))],
                  [row(text("4 bytes, then ~s", [Text]), rate, gosocket_plain, {at_least, 0.95})]))#{unit := mib_per_second}
            || {Text, Size} <- [{"8 KiB", 1 bsl 13}, {"16 KiB", 1 bsl 14}, {"32 KiB", 1 bsl 15}, {"64 KiB", 1 bsl 16}, {"1 MiB", 1 bsl 20}]].

%% ---- Many bytes

-spec bulk() -> [kase()].
bulk() ->
    Send = fun(Size) -> fun(Api, Seconds) -> bench_bulk:send(Api, Size, Seconds) end end,
    Recv = fun(Size) -> fun(Api, Seconds) -> bench_bulk:recv(Api, Size, Seconds) end end,
    Any = fun(Buffer) -> fun(Api, Seconds) -> bench_bulk:recv_any(Api, Buffer, Seconds) end end,
    Sizes = [{"64 KiB", 1 bsl 16}, {"256 KiB", 1 bsl 18}, {"1 MiB", 1 bsl 20}, {"16 MiB", 1 bsl 24}],
    [(kase(text("~s-~b", [Name, Size]),
           [entry(pipe, none, fun(_Api, Seconds) -> Pipe(on, Size, Seconds) end), served(gosocket, Answer(Size), Run(Size)),
            entry(nif, Run(Size)), entry(gen_tcp, Run(Size))],
           [row(text(Work, [Text]), rate, pipe, {at_least, 0.9}),
            row(text(Work, [Text]), rate, nif, none),
            row(text(Work, [Text]), rate, gen_tcp, none)]))#{unit := mib_per_second}
     || {Name, Work, Pipe, Run, Answer} <-
            [{"send", "send of ~s", fun bench_bulk:pipe_send/3, Send, fun(Size) -> bench_served:answer_size([ok]) / Size end},
             {"recv", "recv of ~s", fun bench_bulk:pipe_recv/3, Recv, fun(_Size) -> 1 end}],
        {Text, Size} <- Sizes]
        ++ [(kase("recv-0",
                  [entry(gen_tcp, Any(default)), served(gosocket, 1, Any(default))],
                  [row("recv(S, 0), rcvbuf as it is", rate, gen_tcp, {at_least, 0.9})]))#{unit := mib_per_second},
            (kase("recv-0-65536",
                  [entry(nif, Any(1 bsl 16)), served(gosocket, 1, Any(1 bsl 16))],
                  [row("recv(S, 0), rcvbuf 64 KiB", rate, nif, {at_least, 0.3})]))#{unit := mib_per_second}].

%% ---- Connections

-spec connections() -> [kase()].
connections() ->
    Accepted = bench_served:answer_size([{ok, {16#1000000, 2, 1, 6, 0}}, ok]),
    Connected = bench_served:answer_size([{ok, {16#1000000, 2, 1, 6, 0}}, ok, ok]),
    Acceptors = fun(Api, Seconds) -> bench_case:acceptors(Api, 8, 8, Seconds) end,
    [kase("accept",
          [entry(nif, fun bench_connect:accept/2), served(gosocket, Accepted, fun bench_connect:accept/2)],
          [row("accept and close", rate, nif, {at_least, 0.9}),
           row("accept and close: CPU", cpu, nif, none)]),
     kase("connect",
          [entry(nif, fun bench_connect:connect/2), served(gosocket, Connected, fun bench_connect:connect/2)],
          [row("open, connect and close", rate, nif, {at_least, 0.9}),
           row("open, connect and close: CPU", cpu, nif, none)]),
     kase("accept-8",
          [entry(nif, Acceptors), served(gosocket, Accepted + Connected, Acceptors), entry(gen_tcp, Acceptors)],
          [row("8 acceptors, 8 clients", rate, nif, none),
           row("8 acceptors, 8 clients", rate, gen_tcp, none)])].

%% ---- Those who wait

-spec waiters() -> [kase()].
waiters() ->
    Growth = fun(Api, _Seconds) -> bench_waiters:growth(Api, 10000) end,
    Woken = bench_served:answer_size([{ok, {#{family => inet, port => 4711, addr => {127, 0, 0, 1}}, <<"x">>}}]),
    [kase("waiters",
          [entry(nif, Growth), (served(gosocket, Woken, Growth))#{fresh => true}],
          [row("10,000 blocked receivers: KiB of the helper, each", kib, none, {at_most, 1.8}),
           row("growth of a wake-up, 10 to 10,000 blocked receivers", growth, nif, {at_most, 1.1})]),
     (kase("idle",
           [(served(gosocket, 0, fun(_Api, Seconds) -> bench_waiters:idle(1000, Seconds) end))#{fresh => true}],
           [row("1,000 blocked receivers: context switches of the helper", switches, none, {at_most, 3})]))#{seconds => 5.0}].

%% ---- Spins, and other nodes

%% What spins must not cost those who are not alone.
-spec spins() -> [kase()].
spins() ->
    Answer = exchanged(),
    [(kase(text("spin-~s-~s", [Name, Load]),
           [served(gosocket_off, Served, Run), served(gosocket, Served, Run)],
           [row(Work ++ Beside, rate, gosocket_off, {at_least, 0.95})]))#{loads := [Load], rounds => 15}
     || {Load, Beside} <- [{idle, ""}, {busy, ", beside 2 busy Erlang processes"}, {threads, ", beside 2 busy threads"}],
        {Name, Work, Served, Run} <-
            [{"call", "sockname, one caller, spins on", bench_call:answer(), rate(1)}]
            ++ [{text("pingpong-~b", [N]), text("TCP ping-pong, ~s, spins on", [pairs(N)]), Answer, tcp(N)} || N <- [1, 8, 64]]]
        ++ [(kase("spin-gap-" ++ Gap,
                  [served(Contender, bench_call:answer(), fun(Api, Seconds) -> bench_call:rested(Api, Micros, Seconds) end)
                   || Contender <- [gosocket_off, gosocket]],
                  [row(text("sockname after ~s ms, spins on: mean", [Gap]), mean, gosocket_off, {at_most, 1.05}),
                   row(text("sockname after ~s ms, spins on: CPU (unless time is won)", [Gap]), cpu, gosocket_off, {at_most, 1.5})]))
            #{rounds => 9, seconds => 1.0}
            || {Gap, Micros} <- [{"0.1", 100}, {"0.3", 300}, {"1", 1000}, {"5", 5000}]].

%% The other node is on this machine: what is compared is the way, not the network. It makes this VM a node, which it stays.
-spec remote() -> kase().
remote() ->
    kase("remote",
         [entry(gosocket, fun bench_remote:call/2), entry(node_message, none, fun bench_remote:message/2)],
         [row("sockname with another node's handle: mean", mean, node_message, none)]).

%% Over one connection, between two nodes.
-spec ttest() -> [kase()].
ttest() ->
    Run = fun(Way, Ahead, Kind) -> fun(Api, Seconds) -> bench_ttest:exchange(Api, Way, Ahead, Kind, Seconds) end end,
    [kase(text("ttest-~s-~s", [Way, Kind]),
          [entry(Label, Api, Run(Way, Ahead, Kind))
           || {Label, Api, Ahead} <- [{nif, nif, default}, {gosocket, gosocket, default}, {gosocket_sends, gosocket, sends}]]
          ++ [Entry || Way =:= passive, Entry <- [entry(gen_tcp, Run(Way, default, Kind)),
                                                  entry(floor, none, fun(_Api, Seconds) -> bench_floor:exchange(Kind, Seconds) end)]],
          [row(text("two nodes, ~s messages, ~s", [Kind, Way]), rate, nif, Aim),
           (row(text("two nodes, ~s messages, ~s, send-ahead", [Kind, Way]), rate, nif, AimAhead))#{ours := gosocket_sends}]
          ++ [Row || Way =:= passive, Row <- [row(text("two nodes, ~s messages, ~s", [Kind, Way]), rate, gen_tcp, none),
                                              floor_row(text("two nodes, ~s messages, ~s", [Kind, Way]))]])
     || {Way, Kind, Aim, AimAhead} <- [{passive, small, {at_least, 0.2}, {at_least, 0.5}}, {passive, medium, none, none},
                                       {passive, large, none, none}, {select, small, none, none}]].

%% Beside the prototype, where there is one. The node gets another name, which it keeps: these are the last.
-spec prototype() -> [kase()].
prototype() ->
    Answer = exchanged(),
    [kase(text("prototype-~b~s", [N, Suffix]),
          [entry(prototype, none, Named(fun(_Api, Seconds) -> bench_prototype:pingpong(N, ?SMALL, Seconds) end)),
           served(gosocket, Answer, Named(tcp(N)))],
          [row(text("TCP ping-pong, ~s~s", [pairs(N), Where]), rate, prototype, {at_least, 0.9}),
           row(text("TCP ping-pong, ~s~s: CPU", [pairs(N), Where]), cpu, prototype, {at_most, 1.15})])
     || bench_prototype:is_there(),
        {Suffix, Where, Named} <- [{"", "", fun(Run) -> Run end},
                                   {"-named", ", a node name of 60 bytes", fun bench_prototype:named/1}],
        N <- [8, 64, 512]].

%% ---- Rows and entries

-spec kase(string(), [entry()], [row()]) -> kase().
kase(Name, Entries, Rows) ->
    #{name => Name, unit => per_second, loads => [idle], entries => Entries, rows => Rows}.

-spec row(string(), metric(), atom(), aim()) -> row().
row(Work, Metric, Theirs, Aim) ->
    #{work => Work, metric => Metric, ours => gosocket, theirs => Theirs, aim => Aim}.

%% What a lane that answers at once makes of it.
-spec floor_row(string()) -> row().
floor_row(Work) ->
    (row(Work ++ ", a lane without a helper", rate, nif, none))#{ours := floor}.

-spec entry(atom(), fun((bench_api:api(), float()) -> bench_run:result())) -> entry().
entry(Contender, Run) -> entry(Contender, Contender, Run).

-spec entry(atom(), atom(), fun((bench_api:api(), float()) -> bench_run:result())) -> entry().
entry(Label, Contender, Run) -> #{label => Label, contender => Contender, answer => none, run => Run}.

-spec served(atom(), number(), fun((bench_api:api(), float()) -> bench_run:result())) -> entry().
served(Contender, Answer, Run) -> (entry(Contender, Run))#{answer := Answer}.

-spec pairs(pos_integer()) -> string().
pairs(1) -> "1 pair";
pairs(Pairs) -> text("~b pairs", [Pairs]).

-spec text(string(), [term()]) -> string().
text(Format, Arguments) -> lists:flatten(io_lib:format(Format, Arguments)).
