%% @doc Many small messages on one connection, and headers with bodies behind them.
-module(bench_stream).

-export([burst/3, bodies/4]).

-import(bench_api, [connect/2, send/2, recv/2]).

-define(MESSAGES, 50).
-define(SIZE, 100).

%% @doc A client sends 50 messages of 100 bytes and takes 50 answers, one by one; the other end answers each. Counts messages.
-spec burst(bench_api:api(), bench_api:ahead(), float()) -> bench_run:result().
burst(Api, Ahead, Seconds) ->
    Message = binary:copy(<<"x">>, ?SIZE),
    {Port, Stop} = bench_case:serve(Api, 1, fun(S) -> answer(bench_api:ahead(S, Ahead), Message) end),
    bench_run:rate([fun() ->
                            S = bench_api:ahead(connect(Api, Port), Ahead),
                            fun() -> round(S, Message) end
                    end], Seconds, Stop).

-spec round(bench_api:socket(), binary()) -> pos_integer().
round(S, Message) ->
    lists:foreach(fun(_) -> ok = send(S, Message) end, lists:seq(1, ?MESSAGES)),
    lists:foreach(fun(_) -> ok = recv(S, ?SIZE) end, lists:seq(1, ?MESSAGES)),
    ?MESSAGES.

-spec answer(bench_api:socket(), binary()) -> term().
answer(S, Message) ->
    case recv(S, ?SIZE) of
        ok ->
            ok = send(S, Message),
            answer(S, Message);
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
