%% Every kind of call that waits, on a socket where it has to: for the suites that end the waiting by a time-out, a close,
%% a death or a signal.
-module(gosocket_test_blocked).

-include("gosocket_test.hrl").

-export([names/0, make/1, make/2, start/1, start/2, await_parked/1, await_parked/2, error/2, outcome/2, select_calls/0, select/1]).

-type name() :: accept | connect | recv | recv_n | recv_part | recvfrom | recvmsg | recvfrom_stream | recvmsg_stream
              | send | sendto | sendmsg.
-type situation() :: #{name := name(), socket := gosocket_test_lib:socket(), parked := atom(),
                       others := [gosocket_test_lib:socket()], call := fun((timeout() | nowait) -> term())}.

-export_type([name/0, situation/0]).

%% More than the small buffers of both ends hold.
-define(LARGE, (1 bsl 20)).
-define(PART, <<"part">>).

-spec names() -> [name()].
names() ->
    [accept, connect, recv, recv_n, recv_part, recvfrom, recvmsg, recvfrom_stream, recvmsg_stream, send, sendto, sendmsg].

-spec make(name()) -> situation().
make(Name) ->
    make(Name, {inet, stream}).

%% Kind is used by the calls on streams.
-spec make(name(), gosocket_test_net:kind()) -> situation().
make(accept, Kind) ->
    Listener = gosocket_test_net:listener(Kind),
    situation(accept, num_acceptors, Listener, [], fun(Timeout) -> ?S:accept(Listener, Timeout) end);
make(connect, _) ->
    {Listener, Address, Clients} = gosocket_test_net:full_listener(),
    Socket = gosocket_test_net:unconnected({inet, stream}),
    situation(connect, connecting, Socket, [Listener | Clients], fun(Timeout) -> ?S:connect(Socket, Address, Timeout) end);
make(sendto, _) ->
    {Socket, Peer} = gosocket_test_net:pair({local, dgram}),
    Address = gosocket_test_net:local_address(Peer),
    _ = gosocket_test_net:fill(Socket),
    situation(sendto, num_writers, Socket, [Peer], fun(Timeout) -> ?S:sendto(Socket, data(100), Address, [], Timeout) end);
make(send, Kind) ->
    {Socket, Peer} = gosocket_test_net:small_pair(Kind),
    situation(send, num_writers, Socket, [Peer], fun(Timeout) -> ?S:send(Socket, data(?LARGE), Timeout) end);
make(sendmsg, _) ->
    %% Of domain local: what tcp holds may still grow when it is full.
    {Socket, Peer} = gosocket_test_net:small_pair({local, stream}),
    _ = gosocket_test_net:fill(Socket),
    situation(sendmsg, num_writers, Socket, [Peer],
              fun(Timeout) -> ?S:sendmsg(Socket, #{iov => [data(?LARGE)]}, Timeout) end);
make(Name, _) when Name =:= recvfrom; Name =:= recvmsg ->
    {Socket, Peer} = gosocket_test_net:pair({inet, dgram}),
    situation(Name, num_readers, Socket, [Peer], receiver(Name, Socket));
make(Name, Kind) ->
    {Socket, Peer} = gosocket_test_net:pair(Kind),
    ok = prepare(Name, Peer),
    situation(Name, num_readers, Socket, [Peer], receiver(Name, Socket)).

-spec prepare(name(), gosocket_test_lib:socket()) -> ok.
prepare(recv_part, Peer) -> ?S:send(Peer, ?PART);
prepare(_, _) -> ok.

-spec receiver(name(), gosocket_test_lib:socket()) -> fun((timeout() | nowait) -> term()).
receiver(recv, Socket) -> fun(Timeout) -> ?S:recv(Socket, 0, Timeout) end;
receiver(recv_n, Socket) -> fun(Timeout) -> ?S:recv(Socket, 100, Timeout) end;
receiver(recv_part, Socket) -> fun(Timeout) -> ?S:recv(Socket, 100, Timeout) end;
receiver(Name, Socket) when Name =:= recvfrom; Name =:= recvfrom_stream -> fun(Timeout) -> ?S:recvfrom(Socket, 0, Timeout) end;
receiver(_, Socket) -> fun(Timeout) -> ?S:recvmsg(Socket, [], Timeout) end.

-spec situation(name(), atom(), gosocket_test_lib:socket(), [gosocket_test_lib:socket()], fun((term()) -> term())) -> situation().
situation(Name, Parked, Socket, Others, Call) ->
    #{name => Name, parked => Parked, socket => Socket, others => Others, call => Call}.

-spec data(pos_integer()) -> binary().
data(Size) ->
    binary:copy(<<"d">>, Size).

%% ---- calls under way ----

%% The call in a process of its own, waiting for ever; returns when it is known to wait.
-spec start(situation()) -> gosocket_test_lib:call().
start(Situation) ->
    start(Situation, infinity).

-spec start(situation(), timeout()) -> gosocket_test_lib:call().
start(#{call := Call} = Situation, Timeout) ->
    Started = gosocket_test_lib:start(fun() -> Call(Timeout) end),
    ok = await_parked(Situation),
    Started.

-spec await_parked(situation()) -> ok.
await_parked(Situation) ->
    await_parked(Situation, 1).

-spec await_parked(situation(), pos_integer()) -> ok.
await_parked(#{parked := connecting, socket := Socket}, _) ->
    gosocket_test_lib:wait_until(fun() -> connecting(?S:sockname(Socket)) end);
await_parked(#{name := recv_part, socket := Socket}, N) ->
    ok = gosocket_test_lib:await_parked(Socket, num_readers, N),
    gosocket_test_lib:wait_until(fun() ->
        #{counters := #{read_byte := Bytes}} = ?S:info(Socket),
        Bytes =:= byte_size(?PART)
    end);
await_parked(#{parked := Kind, socket := Socket}, N) ->
    gosocket_test_lib:await_parked(Socket, Kind, N).

%% proc(5), /proc/net/tcp: state 02 is SYN_SENT.
-spec connecting({ok, map()} | {error, term()}) -> boolean().
connecting({ok, #{port := Port}}) ->
    {ok, Table} = file:read_file("/proc/net/tcp"),
    re:run(Table, io_lib:format(":~4.16.0B [0-9A-F]{8}:[0-9A-F]{4} 02", [Port])) =/= nomatch;
connecting(_) ->
    false.

%% ---- results ----

%% What the call gives when it ends for Reason; a number of remaining bytes is shown as `remaining'.
-spec error(name(), term()) -> {error, term()}.
error(recv_part, Reason) -> {error, {Reason, ?PART}};
error(Name, Reason) when Name =:= send; Name =:= sendto -> {error, {Reason, remaining}};
error(_, Reason) -> {error, Reason}.

-spec outcome(name(), term()) -> term().
outcome(send, {error, {Reason, N}}) when N > 0, N =< ?LARGE -> {error, {Reason, remaining}};
outcome(sendto, {error, {Reason, 100}}) -> {error, {Reason, remaining}};
outcome(_, Result) -> Result.

%% ---- selects ----

%% The calls with an asynchronous form in which nothing but a select can come of them.
-spec select_calls() -> [name()].
select_calls() ->
    names() -- [recv_part, send].

-spec select(situation()) -> {select_info, atom(), reference()}.
select(#{call := Call}) ->
    {select, SelectInfo} = Call(nowait),
    SelectInfo.
