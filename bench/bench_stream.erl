%% @doc Many small messages on one connection, and headers with bodies behind them.
-module(bench_stream).

-export([burst/3, bodies/4]).

%% For bench_floor.
-export([exchanged/1, answer/1]).

-import(bench_api, [connect/2, send/2, recv/2]).

-define(MESSAGES, 50).
-define(SIZE, 100).

%% @doc A client sends 50 messages of 100 bytes and takes 50 answers, one by one; the other end answers each. Counts messages.
-spec burst(bench_api:api(), bench_api:ahead(), float()) -> bench_run:result().
burst(Api, Ahead, Seconds) ->
    {Port, Stop} = bench_case:serve(Api, 1, fun(S) -> answer(bench_api:ahead(S, Ahead)) end),
    bench_run:rate([fun() ->
                            S = bench_api:ahead(connect(Api, Port), Ahead),
                            fun() -> exchanged(S) end
                    end], Seconds, Stop).

-spec exchanged(bench_api:socket()) -> pos_integer().
exchanged(S) ->
    lists:foreach(fun(_) -> ok = send(S, <<0:(8 * ?SIZE)>>) end, lists:seq(1, ?MESSAGES)),
    lists:foreach(fun(_) -> ok = recv(S, ?SIZE) end, lists:seq(1, ?MESSAGES)),
    ?MESSAGES.

-spec answer(bench_api:socket()) -> term().
answer(S) ->
    case recv(S, ?SIZE) of
        ok ->
            ok = send(S, <<0:(8 * ?SIZE)>>),
            answer(S);
        Error ->
            Error
    end.

%% @doc A header of 4 bytes, then a body of this size, received one behind the other. Counts bytes.
-spec bodies(bench_api:api(), bench_api:ahead(), pos_integer(), float()) -> bench_run:result().
bodies(Api, Ahead, Size, Seconds) ->
    Message = binary:copy(<<"x">>, 4 + Size),
    {Port, Stop} = bench_case:serve(gen_tcp, 1, fun(S) -> flood(S, Message) end),
    bench_run:rate([fun() ->
                            S = bench_api:ahead(connect(Api, Port), Ahead),
                            fun() -> ok = recv(S, 4), ok = recv(S, Size), 4 + Size end
                    end], Seconds, Stop).

-spec flood(bench_api:socket(), binary()) -> term().
flood(S, Message) ->
    case send(S, Message) of
        ok -> flood(S, Message);
        Error -> Error
    end.
