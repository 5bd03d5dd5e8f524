%% @doc Many bytes in one direction. The other end is always the same, a gen_tcp socket of this node.
-module(bench_bulk).

-export([send/3, recv/3, recv_any/3]).
-export([pipe_send/3, pipe_recv/3]).

%% What the other end sends or takes at once.
-define(PEER_SEND, (1 bsl 18)).
-define(PEER_RECV, (1 bsl 16)).

%% @doc One process sends so many bytes at a time.
-spec send(bench_api:api(), pos_integer(), float()) -> bench_run:result().
send(Api, Size, Seconds) ->
    Block = block(Size),
    {Port, Stop} = bench_case:serve(gen_tcp, 1, fun drain/1),
    bench_run:rate([fun() ->
                            S = bench_api:connect(Api, Port),
                            fun() -> ok = bench_api:send(S, Block), Size end
                    end], Seconds, Stop).

%% @doc One process receives so many bytes at a time.
-spec recv(bench_api:api(), pos_integer(), float()) -> bench_run:result().
recv(Api, Size, Seconds) ->
    received(fun(Port) -> bench_api:connect(Api, Port) end, fun(S) -> bench_api:recv_some(S, Size) end, Seconds).

%% @doc One process receives what there is, into a buffer of this size.
-spec recv_any(bench_api:api(), default | pos_integer(), float()) -> bench_run:result().
recv_any(Api, Buffer, Seconds) ->
    received(fun(Port) -> bench_api:connect_buffered(Api, Port, Buffer) end, fun bench_api:recv_any/1, Seconds).

-spec received(Connect, Receive, float()) -> bench_run:result() when
      Connect :: fun((inet:port_number()) -> bench_api:socket()),
      Receive :: fun((bench_api:socket()) -> {ok, pos_integer()} | {error, term()}).
received(Connect, Receive, Seconds) ->
    Block = block(?PEER_SEND),
    {Port, Stop} = bench_case:serve(gen_tcp, 1, fun(S) -> flood(S, Block) end),
    bench_run:rate([fun() ->
                            S = Connect(Port),
                            fun() -> {ok, Size} = Receive(S), Size end
                    end], Seconds, Stop).

%% @doc The floor of a send: so many bytes go to a program in C that reads them, one frame in flight.
-spec pipe_send(on | off, pos_integer(), float()) -> bench_run:result().
pipe_send(Spin, Size, Seconds) ->
    Block = block(Size),
    bench_run:rate([fun() ->
                            Port = bench_pipe:open(Spin),
                            fun() -> ok = bench_pipe:send(Port, Block), Size end
                    end], Seconds, fun() -> ok end).

%% @doc The floor of a receive.
-spec pipe_recv(on | off, pos_integer(), float()) -> bench_run:result().
pipe_recv(Spin, Size, Seconds) ->
    bench_run:rate([fun() ->
                            Port = bench_pipe:open(Spin),
                            fun() -> byte_size(bench_pipe:recv(Port, Size)) end
                    end], Seconds, fun() -> ok end).

-spec block(pos_integer()) -> binary().
block(Size) -> binary:copy(<<"x">>, Size).

-spec drain(bench_api:socket()) -> term().
drain(S) ->
    case bench_api:recv(S, ?PEER_RECV) of
        ok -> drain(S);
        Error -> Error
    end.

-spec flood(bench_api:socket(), binary()) -> term().
flood(S, Block) ->
    case bench_api:send(S, Block) of
        ok -> flood(S, Block);
        Error -> Error
    end.
