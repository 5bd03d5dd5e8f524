%% @private
%% @doc Events for the application `telemetry', where it is there: nothing here depends on it. Its handlers run in a process of
%% their own, so that one that hangs or fails holds up nobody.
-module(gosocket_telemetry).

-export([event/3,
         started/3,
         stopped/4]).

-type event() :: start | stop | statistics.
-opaque born() :: {gosocket_lanes:name() | '', integer()}.

-export_type([born/0]).

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

%% @doc A lane has a helper. When, and by which name, is for {@link stopped/4}: the name may be another one's by then.
-spec started(Number :: non_neg_integer(), Lane :: pid(), Helper :: pos_integer()) -> born().
started(Number, Lane, Helper) ->
    Name = gosocket_names:name(Number),
    event(start, #{system_time => erlang:system_time()}, #{lane => Name, pid => Lane, helper => Helper}),
    {Name, erlang:monotonic_time()}.

%% @doc A lane has ended, however it went, and the aborts of its selects are sent.
-spec stopped(Lane :: pid(), Helper :: pos_integer(), born(), Reason :: term()) -> ok.
stopped(Lane, Helper, {Name, Born}, Reason) ->
    event(stop, #{duration => erlang:monotonic_time() - Born}, #{lane => Name, pid => Lane, helper => Helper, reason => Reason}).
