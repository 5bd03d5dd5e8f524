%% @private
%% @doc Events for the application `telemetry', where it is there: nothing here depends on it. Its handlers run in a process of
%% their own, so that one that hangs or fails holds up nobody.
-module(gosocket_telemetry).

-export([event/3,
         started/3,
         stopped/4]).

-type event() :: start | stop | statistics.

%% @doc `[gosocket, lane, Event]'.
-spec event(event(), Measurements :: #{atom() => number()}, Metadata :: map()) -> ok.
event(Event, Measurements, Metadata) ->
    Module = telemetry,
    case erlang:function_exported(Module, execute, 3) of
        true ->
            _ = spawn(fun() -> Module:execute([gosocket, lane, Event], Measurements, Metadata) end),
            ok;
        false ->
            ok
    end.

%% @doc A lane has a helper. It says when, for {@link stopped/4}.
-spec started(Number :: non_neg_integer(), Lane :: pid(), Helper :: pos_integer()) -> Born :: integer().
started(Number, Lane, Helper) ->
    event(start, #{system_time => erlang:system_time()}, metadata(Number, Lane, Helper)),
    erlang:monotonic_time().

%% @doc A lane has ended, however it went, and the aborts of its selects are sent.
-spec stopped(Number :: non_neg_integer(), {Lane :: pid(), Helper :: pos_integer()}, Born :: integer(), Reason :: term()) -> ok.
stopped(Number, {Lane, Helper}, Born, Reason) ->
    event(stop, #{duration => erlang:monotonic_time() - Born}, (metadata(Number, Lane, Helper))#{reason => Reason}).

-spec metadata(non_neg_integer(), pid(), pos_integer()) -> map().
metadata(Number, Lane, Helper) ->
    #{lane => gosocket_names:name(Number), pid => Lane, helper => Helper}.
