%% @doc Connections that come and go. Timed is what the contender does; who is at the other end is always gen_tcp, and does
%% its part before or after.
-module(bench_connect).

-export([accept/2, connect/2]).

%% Connections of a batch; the listener's backlog holds them all.
-define(BATCH, 200).

%% @doc One process accepts connections that wait, and closes each.
-spec accept(socket | gosocket, float()) -> bench_run:result().
accept(Api, Seconds) ->
    Prepare = fun() ->
                      {_, Listener} = Socket = bench_api:listen(Api),
                      Port = bench_api:port(Socket),
                      fun() -> accept_batch(Api, Listener, Port) end
              end,
    bench_run:batches(Prepare, Seconds).

-spec accept_batch(socket | gosocket, term(), inet:port_number()) -> {pos_integer(), fun(() -> ok), fun((ok) -> ok)}.
accept_batch(Api, Listener, Port) ->
    Clients = [bench_api:connect(gen_tcp, Port, [linger]) || _ <- lists:seq(1, ?BATCH)],
    {?BATCH,
     fun() -> times(?BATCH, fun() -> {ok, S} = Api:accept(Listener), ok = Api:close(S) end) end,
     fun(ok) -> lists:foreach(fun bench_api:close/1, Clients) end}.

%% @doc One process opens sockets, connects and closes each.
-spec connect(socket | gosocket, float()) -> bench_run:result().
connect(Api, Seconds) ->
    Prepare = fun() ->
                      {ok, Listener} = gen_tcp:listen(0, [binary, {active, false}, {backlog, 1024}]),
                      {ok, Port} = inet:port(Listener),
                      fun() -> connect_batch(Api, Listener, Port) end
              end,
    bench_run:batches(Prepare, Seconds).

%% A local port that was closed first rests for a minute, but for each address anew.
-spec connect_batch(socket | gosocket, gen_tcp:socket(), inet:port_number()) ->
          {pos_integer(), fun(() -> ok), fun((ok) -> ok)}.
connect_batch(Api, Listener, Port) ->
    Address = #{family => inet, addr => {127, 1, rand:uniform(250), rand:uniform(250)}, port => Port},
    {?BATCH,
     fun() ->
             times(?BATCH, fun() ->
                                   {ok, S} = Api:open(inet, stream, tcp),
                                   ok = Api:connect(S, Address),
                                   ok = Api:close(S)
                           end)
     end,
     fun(ok) -> times(?BATCH, fun() -> {ok, S} = gen_tcp:accept(Listener), ok = gen_tcp:close(S) end) end}.

-spec times(non_neg_integer(), fun(() -> ok)) -> ok.
times(0, _) -> ok;
times(Times, Do) -> ok = Do(), times(Times - 1, Do).
