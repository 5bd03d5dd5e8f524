%% @doc Two nodes on this machine exchange messages over one connection, many under way at a time; each message is received in
%% two calls, a header of 16 bytes and the body behind it.
-module(bench_ttest).

-export([exchange/5]).

%% For bench_floor.
-export([step/3]).

%% In the other node.
-export([serve/3]).

-import(bench_api, [connect/2, send/2]).

-export_type([way/0, kind/0]).

-type way() :: passive | select.
-type kind() :: small | medium | large.

-define(HEADER, 16).
-define(PATIENCE_MS, 10000).

%% @doc Counts exchanges.
-spec exchange(bench_api:api(), way(), bench_api:ahead(), kind(), float()) -> bench_run:result().
exchange(Api, Way, Ahead, Kind, Seconds) ->
    {Size, UnderWay} = load(Kind),
    Message = binary:copy(<<"x">>, ?HEADER + Size),
    Port = other(Api, {Way, Size}, Ahead),
    bench_run:rate([fun() ->
                            S = bench_api:ahead(connect(Api, Port), Ahead),
                            [ok = send(S, Message) || _ <- lists:seq(2, UnderWay)],
                            step(S, Way, Kind)
                    end], Seconds, fun() -> ok end).

%% @doc One message there, and one back.
-spec step(bench_api:socket(), way(), kind()) -> bench_run:step().
step(S, Way, Kind) ->
    {Size, _UnderWay} = load(Kind),
    Message = binary:copy(<<"x">>, ?HEADER + Size),
    fun() -> ok = send(S, Message), ok = take(S, {Way, Size}), 1 end.

-spec load(kind()) -> {Body :: pos_integer(), UnderWay :: pos_integer()}.
load(small) -> {32, 100};
load(medium) -> {1024, 50};
load(large) -> {32768, 10}.

%% A listener in the other node, for one connection.
-spec other(bench_api:api(), {way(), pos_integer()}, bench_api:ahead()) -> inet:port_number().
other(Api, Message, Ahead) ->
    Server = spawn_link(bench_remote:home(), ?MODULE, serve, [self(), {Api, Message}, Ahead]),
    receive {Server, Port} -> Port after ?PATIENCE_MS -> error(no_server) end.

-spec serve(pid(), {bench_api:api(), {way(), pos_integer()}}, bench_api:ahead()) -> ok.
serve(Client, {Api, {_, Size} = Message}, Ahead) ->
    L = bench_api:listen(Api),
    Client ! {self(), bench_api:port(L)},
    S = bench_api:ahead(bench_api:accept(L), Ahead),
    bench_api:close(L),
    answer(S, Message, binary:copy(<<"x">>, ?HEADER + Size)),
    bench_api:close(S).

-spec answer(bench_api:socket(), {way(), pos_integer()}, binary()) -> term().
answer(S, Message, Answer) ->
    case take(S, Message) of
        ok ->
            case send(S, Answer) of
                ok -> answer(S, Message, Answer);
                Error -> Error
            end;
        Error ->
            Error
    end.

-spec take(bench_api:socket(), {way(), pos_integer()}) -> ok | {error, term()}.
take(S, {Way, Size}) ->
    case received(S, Way, ?HEADER) of
        ok -> received(S, Way, Size);
        Error -> Error
    end.

-spec received(bench_api:socket(), way(), pos_integer()) -> ok | {error, term()}.
received(S, passive, Length) -> bench_api:recv(S, Length);
received(S, select, Length) -> bench_api:recv_select(S, Length).
