%% @doc What is measured of calls that do not wait: `sockname', which only the helper can answer, `getopt' of an option of
%% which the VM has a copy, and what stands for the floor of a call: a port program that gives back what it gets.
-module(bench_call).

-export([latency/2, rate/3, rested/3, paced/2, option/2, answer/0]).
-export([pipe_latency/2, pipe_paced/2, lane_rate/3]).

%% For bench_profile.
-export([sockname/1, bare/1]).

-type spin() :: on | off.

%% As long as a request for `sockname' with all that is around it.
-define(FRAME, <<"e", 0:(8 * 59)>>).

%% For calls that are shorter than a look at the clock.
-define(TIMES, 100).

%% @doc The bytes of the helper's answer to `sockname'.
-spec answer() -> pos_integer().
answer() ->
    bench_served:answer_size([{ok, #{family => inet, port => 4711, addr => {127, 0, 0, 1}}}]).

%% @doc One process calls sockname.
-spec latency(socket | gosocket, float()) -> bench_run:result().
latency(Api, Seconds) ->
    bench_run:latency(fun() -> sockname(Api) end, Seconds).

%% @doc This many processes call sockname, each on its own socket.
-spec rate(socket | gosocket, pos_integer(), float()) -> bench_run:result().
rate(Api, Callers, Seconds) ->
    bench_run:rate(lists:duplicate(Callers, fun() -> sockname(Api) end), Seconds, fun() -> ok end).

%% @doc One process calls sockname, and rests for so many microseconds before each call; the rest is not in its times.
-spec rested(socket | gosocket, Micros :: pos_integer(), float()) -> bench_run:result().
rested(Api, Micros, Seconds) ->
    bench_run:latency(fun() ->
                              Port = bench_pipe:open(off),
                              {fun() -> bench_pipe:rest(Port, Micros) end, sockname(Api)}
                      end, Seconds).

%% @doc One process calls sockname, and rests for 1 to 2 ms before each call by a timer of the VM.
-spec paced(socket | gosocket, float()) -> bench_run:result().
paced(Api, Seconds) ->
    bench_run:rate([fun() -> paced(sockname(Api)) end], Seconds, fun() -> ok end).

%% @doc How long one process's getopt of the option takes of which the VM knows the answer.
-spec option(socket | gosocket, float()) -> bench_run:result().
option(Api, Seconds) ->
    #{rate := Rate} = Result =
        bench_run:rate([fun() ->
                                Call = bench_api:getopt(Api, otp, rcvbuf),
                                fun() -> times(Call, ?TIMES) end
                        end], Seconds, fun() -> ok end),
    Result#{mean => 1.0e9 / Rate}.

-spec times(fun(() -> term()), pos_integer()) -> pos_integer().
times(Call, Times) ->
    [Call() || _ <- lists:seq(1, Times)],
    Times.

-spec sockname(socket | gosocket) -> bench_run:step().
sockname(Api) ->
    {_, Socket} = bench_api:udp(Api),
    fun() -> {ok, _} = Api:sockname(Socket), 1 end.

-spec paced(bench_run:step()) -> bench_run:step().
paced(Step) ->
    fun() ->
            receive after 1 -> ok end,
            Step()
    end.

%% ---- Floors

%% @doc One process owns the port of a program in C, and awaits each frame that it sends to come back.
-spec pipe_latency(spin(), float()) -> bench_run:result().
pipe_latency(Spin, Seconds) ->
    bench_run:latency(fun() -> bare(Spin) end, Seconds).

-spec pipe_paced(spin(), float()) -> bench_run:result().
pipe_paced(Spin, Seconds) ->
    bench_run:rate([fun() -> paced(bare(Spin)) end], Seconds, fun() -> ok end).

-spec bare(spin()) -> bench_run:step().
bare(Spin) ->
    Port = bench_pipe:open(Spin),
    fun() ->
            true = port_command(Port, ?FRAME),
            receive {Port, {data, ?FRAME}} -> 1 end
    end.

%% @doc This many processes have their calls echoed by a program in C, over a process that does for them what cannot be left out: it
%% gathers calls to a frame, knows whose they are, and tells everybody of the echo.
-spec lane_rate(spin(), pos_integer(), float()) -> bench_run:result().
lane_rate(Spin, Callers, Seconds) ->
    {Lane, Stop} = bench_pipe:lane(Spin),
    Prepare = fun() -> fun() -> ok = bench_pipe:call(Lane), 1 end end,
    bench_run:rate(lists:duplicate(Callers, Prepare), Seconds, Stop).
