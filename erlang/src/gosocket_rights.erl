%% @private
%% @doc Sends a descriptor of the VM to the helper over a Unix socket, as a control message of type
%% `SCM_RIGHTS'. The one thing that takes OTP's own `socket', and the one module that may use it.
-module(gosocket_rights).

-export([send/3]).

-define(SOL_SOCKET, 1).
-define(SO_PEERCRED, 17).

%% @doc Only if the process that listens there is `Peer'. `enotsup' where this OTP has no sockets, or cannot
%% send control messages.
-spec send(FD :: integer(), Address, Peer) -> ok | {error, term()} when
      Address :: #{family := local, path := binary()},
      Peer :: OsPid :: pos_integer() | undefined.
send(FD, Address, Peer) ->
    try socket:open(local, stream) of
        {ok, Socket} ->
            try
                connect(Socket, FD, Address, Peer)
            after
                _ = socket:close(Socket)
            end;
        {error, Reason} ->
            {error, Reason}
    catch
        error:notsup -> {error, enotsup};
        error:undef -> {error, enotsup}
    end.

-spec connect(socket:socket(), integer(), map(), pos_integer() | undefined) -> ok | {error, term()}.
connect(Socket, FD, Address, Peer) ->
    case socket:connect(Socket, Address) of
        ok ->
            %% struct ucred: pid, uid, gid
            case socket:getopt_native(Socket, {?SOL_SOCKET, ?SO_PEERCRED}, 12) of
                {ok, <<Peer:32/native, _:8/binary>>} -> pass(Socket, FD);
                {ok, _} -> {error, eperm};
                {error, Reason} -> {error, Reason}
            end;
        {error, Reason} ->
            {error, Reason}
    end.

-spec pass(socket:socket(), integer()) -> ok | {error, term()}.
pass(Socket, FD) ->
    Rights = #{level => socket, type => rights, data => <<FD:32/native>>},
    case socket:sendmsg(Socket, #{iov => [<<0>>], ctrl => [Rights]}) of
        ok -> ok;
        {error, {invalid, _}} -> {error, enotsup};
        {error, Reason} -> {error, Reason}
    end.
